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
from support.pictures import red_png, without_pixels
from support.talkers import Talker, plain_character
from support.web_page import TunableTalker


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
    if act in ("say", "retry", "regenerate", "continue", "speak"):
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
    acts.set_up(house, tab, lambda session: session.rename_user("민준"))
    do(house, tab, "say", text="안녕")
    do(house, tab, "new")
    assert tab.session.turns == []
    assert tab.session.user == "민준"


def test_how_replies_are_drawn_holds_from_the_first_one_on_and_in_new_chats():
    """Temperature and length are the window's, not one conversation's."""
    house = house_of(TunableTalker())
    tab = house.open_tab("a", "", "ko")
    acts.draw(house, tab, temperature=1.25)
    acts.draw(house, tab, reply_tokens=64)
    do(house, tab, "say", text="더워?")
    assert tab.session.turns[-1].raw == "1.25도, 64토큰."
    do(house, tab, "new")
    do(house, tab, "say", text="더워?")
    assert tab.session.turns[-1].raw == "1.25도, 64토큰."


def test_another_window_draws_as_it_likes():
    """The model is shared, its dice are not."""
    house = house_of(TunableTalker())
    one, other = (house.open_tab(key, "", "ko") for key in "ab")
    acts.draw(house, one, temperature=0.1)
    do(house, other, "say", text="더워?")
    assert other.session.turns[-1].raw == "0.7도, 256토큰."


def test_a_setting_made_before_the_first_words_is_stored(store):
    """A reload, which only knows the chat's number, finds it."""
    house = house_of(Talker(), store)
    tab = house.open_tab("a", "", "ko")
    acts.set_up(house, tab, lambda session: session.set_note("비가 온다.", 2))
    again = house.open_tab("b", tab.session.chat_id, "ko")
    assert (again.session.setting.note.text, again.session.setting.note.depth) == ("비가 온다.", 2)
    assert house.chats(tab.cast) == []


def test_a_room_is_gathered_and_resumed(store):
    """It is listed like any chat, and opened again with everybody in it."""
    house = house_of(Talker("응."), store)
    tab = house.open_tab("a", "", "ko")
    butler, sister = (load_character(name).name for name in ("butler", "sister"))
    acts.gather(house, tab, [butler, sister])
    do(house, tab, "say", text=f"{sister}, 자?")
    do(house, tab, "speak", text=butler)
    assert [turn.speaker for turn in tab.session.turns] == ["", sister, butler]
    assert [chat.cast for chat in house.chats(tab.cast)] == [("엑사", butler, sister)]
    other = house.open_tab("b", "", "ko")
    acts.open_chat_of(house, other, tab.session.chat_id)
    assert other.notice == ""
    assert other.session.cast == ("엑사", butler, sister)
    assert len(other.session.turns) == 3


def test_who_was_to_speak_and_could_not_is_asked_again():
    """Trying again does not draw somebody else's words anew."""
    house = house_of(Talker("응.", RuntimeError("끊김"), "이제 됐다."))
    tab = house.open_tab("a", "", "ko")
    name = load_character("butler").name
    acts.gather(house, tab, [name])
    do(house, tab, "say", text="안녕")
    do(house, tab, "speak", text=name)
    assert tab.can_retry
    do(house, tab, "retry")
    assert [(turn.speaker, turn.raw) for turn in tab.session.turns][1:] == [
        ("엑사", "응."),
        (name, "이제 됐다."),
    ]


def test_more_than_four_do_not_fit_into_a_room():
    """The page says so, and the talk stays as it is."""
    house = house_of(Talker())
    tab = house.open_tab("a", "", "ko")
    acts.gather(house, tab, tab.cast.names())
    assert "4명" in tab.notice
    assert tab.session.cast == ("엑사",)


def test_a_deleted_chat_is_gone_and_the_person_stays(store):
    """A new one begins with the same characters."""
    house = house_of(Talker(), store)
    tab = house.open_tab("a", "", "ko")
    acts.set_up(house, tab, lambda session: session.rename_user("서연"))
    do(house, tab, "say", text="안녕")
    do(house, tab, "forget")
    assert store.chats() == ()
    assert (tab.session.user, tab.session.turns) == ("서연", [])


def test_a_window_on_a_chat_that_another_deleted_begins_anew(store):
    """What was typed goes back into the box."""
    house = house_of(Talker(), store)
    one = house.open_tab("a", "", "ko")
    do(house, one, "say", text="안녕")
    other = house.open_tab("b", one.session.chat_id, "ko")
    do(house, one, "forget")
    do(house, other, "say", text="거기 있어?")
    assert "지워졌습니다" in other.notice
    assert (other.refused, other.session.turns) == ("거기 있어?", [])
    do(house, other, "say", text="거기 있어?")
    assert len(other.session.turns) == 2


def test_where_nothing_is_kept_a_card_is_its_windows_own(tmp_path):
    """Strangers do not see it, and the file that was sent is gone."""
    house = house_of(Talker())
    one, other = (house.open_tab(key, "", "ko") for key in "ab")
    card = write_card(plain_character("하루"), tmp_path / "haru.json")
    acts.open_card(house, one, card)
    assert one.session.character.name == "하루"
    assert other.cast.find("하루") is None
    assert not card.exists()
    assert house.open_tab("c", "", "ko").cast.find("하루") is None


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


def test_a_late_stop_does_not_touch_the_next_reply():
    """It names the reply that it meant."""
    house = house_of(Talker("하나.", "둘."))
    tab = house.open_tab("a", "", "ko")
    do(house, tab, "say", text="안녕", number=1)
    acts.halt(tab, Command(act="stop", number=1))
    do(house, tab, "say", text="또 안녕", number=2)
    assert tab.session.turns[-1].raw == "둘."


def test_a_closed_window_stops_its_reply():
    """Nobody waits for it."""
    house = house_of(Talker())
    tab = house.open_tab("a", "", "ko")
    assert not tab.stop.is_set()
    house.close_tab("a")
    assert tab.stop.is_set()


def test_opened_cards_are_there_after_a_restart(tmp_path):
    """They are kept beside the chats."""
    card = write_card(plain_character("하루"), tmp_path / "haru.json")
    Cast(load_character("exa"), tmp_path / "cards").open_card(card, Words())
    assert Cast(load_character("exa"), tmp_path / "cards").find("하루").name == "하루"


def test_the_picture_of_an_opened_card_is_there_after_a_restart(tmp_path):
    """It is kept as we encoded it; a card without one is drawn."""
    plain, pictured = tmp_path / "plain.png", tmp_path / "pictured.png"
    write_card(plain_character("하루"), plain)
    write_card(plain_character("나루"), pictured, portrait=red_png())
    for path in (plain, pictured):
        Cast(load_character("exa"), tmp_path / "cards").open_card(path, Words())
    cast = Cast(load_character("exa"), tmp_path / "cards")
    assert cast.face(cast.find("나루")).startswith("data:image/webp;base64,")
    assert cast.face(cast.find("하루")).startswith("data:image/svg+xml;base64,")


def test_a_card_whose_picture_is_damaged_opens_with_a_drawn_one(tmp_path):
    """The person is told why."""
    house = house_of(Talker())
    tab = house.open_tab("a", "", "ko")
    broken = without_pixels(red_png())
    acts.open_card(
        house, tab, write_card(plain_character("하루"), tmp_path / "haru.png", portrait=broken)
    )
    assert tab.session.character.name == "하루"
    assert "새로 그렸습니다" in tab.notice
    assert tab.cast.face(tab.session.character).startswith("data:image/svg+xml")


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
