"""Windows, characters and settings behind the page."""

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")

from exagirl.chat.faults import ChatError
from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
from exagirl.chat.web import acts
from exagirl.chat.web.acts import Command
from exagirl.chat.web.cast import MAX_CARD_BYTES, Cast
from exagirl.chat.web.state import House
from exagirl.chat.web.words import Words
from exagirl.persona.card import write_card
from exagirl.persona.character import load_character
from support.talkers import Talker, plain_character


class TunableTalker(Talker):
    """A talker that tells at which temperature it talks."""

    def with_sampling(self, sampling):
        """One that says its temperature."""
        return Talker(f"{sampling.temperature}도.")


@pytest.fixture
def store(tmp_path):
    """Where chats are kept."""
    with ChatStore(tmp_path / "chats.sqlite") as opened:
        yield opened


def house_of(talker, store=None, cards=None):
    """What the windows share."""
    return House(Session(load_character("exa"), talker), store, cards)


def do(house, tab, act, **more):
    """Press a button."""
    command = Command(act=act, **more)
    if act in ("say", "retry", "regenerate", "continue"):
        return list(acts.reply(house, tab, command))
    return acts.change(house, tab, command)


def test_a_window_that_only_looks_leaves_no_chat(store):
    """A chat is written with the first words."""
    house = house_of(Talker(), store)
    tab = house.open_tab("a", "", "ko")
    assert store.chats() == ()
    do(house, tab, "say", text="안녕")
    assert [chat.turns for chat in store.chats()] == [2]


def test_the_models_own_character_needs_no_system_message():
    """Another is told who it is."""
    talker = Talker()
    house = house_of(talker)
    tab = house.open_tab("a", "", "ko")
    acts.talk_to(house, tab, load_character("butler").name)
    do(house, tab, "say", text="안녕")
    assert talker.heard[-1][0]["role"] == "system"


def test_a_new_chat_knows_the_person_still(store):
    """Name and description of the person go along."""
    house = house_of(Talker(), store)
    tab = house.open_tab("a", "", "ko")
    acts.set_up(tab, lambda session: session.rename_user("민준"))
    do(house, tab, "say", text="안녕")
    do(house, tab, "new")
    assert tab.session.turns == []
    assert tab.session.user == "민준"


def test_a_temperature_holds_for_the_next_reply():
    """Where the backend can be tuned, the talk goes on with it."""
    house = house_of(TunableTalker("응."))
    tab = house.open_tab("a", "", "ko")
    do(house, tab, "say", text="안녕")
    tab.backend.tune(1.25)
    do(house, tab, "say", text="더워?")
    assert [turn.raw for turn in tab.session.turns][1::2] == ["응.", "1.25도."]


def test_an_unknown_command_is_told():
    """A page from an older program does no harm."""
    house = house_of(Talker())
    tab = house.open_tab("a", "", "ko")
    do(house, tab, "fly")
    assert "새로 고쳐" in tab.notice


def test_an_unknown_chat_in_the_address_opens_a_new_one(store):
    """The person is told."""
    tab = house_of(Talker(), store).open_tab("a", "gone", "ko")
    assert "gone" in tab.notice
    assert tab.session.turns == []


def test_a_closed_window_stops_its_reply():
    """Nobody waits for it."""
    house = house_of(Talker())
    tab = house.open_tab("a", "", "ko")
    house.close_tab("a")
    assert tab.stop.is_set()


def test_opened_cards_are_there_after_a_restart(tmp_path):
    """They are kept beside the chats."""
    card = write_card(plain_character("하루"), tmp_path / "haru.json")
    Cast(load_character("exa"), tmp_path / "cards").open_card(card, Words())
    assert Cast(load_character("exa"), tmp_path / "cards").find("하루").name == "하루"


def test_a_damaged_kept_card_does_not_hide_the_rest(tmp_path):
    """The page opens."""
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "broken.yaml").write_text("name: [")
    assert "엑사" in Cast(load_character("exa"), cards).names()


def test_a_card_may_not_take_the_name_of_another(tmp_path):
    """The model's own character stays who it is."""
    card = write_card(plain_character("엑사"), tmp_path / "other.json")
    with pytest.raises(ChatError, match="엑사"):
        Cast(load_character("exa")).open_card(card, Words())


def test_a_card_that_is_too_large_is_not_read(tmp_path):
    """The limit is told."""
    card = tmp_path / "large.json"
    with card.open("wb") as stream:
        stream.truncate(MAX_CARD_BYTES + 1)
    with pytest.raises(ChatError, match="20 MB"):
        Cast(load_character("exa")).open_card(card, Words())
