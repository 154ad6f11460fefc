"""The prompt holds the character and the newest words, and never more than it may."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.chat.session import ChatError, ChatOptions, Member, Session
from exagirl.persona.parts import Lorebook, LoreEntry
from support.talkers import Talker, plain_character, says, talk_of

DRAGON = LoreEntry(keys=("용",), content="용은 겁이 많다.")


def contents(prompt):
    """What the messages say."""
    return [message["content"] for message in prompt.messages]


LINES = st.lists(st.text(alphabet="가나다라 마", min_size=1, max_size=60), max_size=30)


@settings(deadline=None)
@given(
    lines=LINES,
    text=st.text(alphabet="가나다라마", min_size=1, max_size=80),
    tokens=st.integers(64, 400),
    pins=st.lists(st.text(alphabet="바사아", min_size=1, max_size=40), max_size=5),
    note=st.sampled_from(["", "비가 온다", "비가 온다. " * 10]),
    is_baked=st.booleans(),
)
def test_a_prompt_keeps_its_laws(lines, text, tokens, pins, note, is_baked):
    """Within the budget; the character first; the newest words last; the order kept."""
    options = ChatOptions(context_tokens=tokens, reply_tokens=0, writes_system=not is_baked)
    session = Session(plain_character(), Talker(), options=options)
    talk_of(session, lines)
    for pin in pins:
        session.pin(pin)
    session.set_note(note, 2)
    prompt = session.prompt(text)
    assert prompt.tokens == len(session.backend.prompt_tokens(list(prompt.messages)))
    assert prompt.tokens <= prompt.budget == tokens
    system = [m for m in prompt.messages if m["role"] == "system" and "하루" in m["content"]]
    assert prompt.is_baked or prompt.messages[0] in system
    said = [m["content"] for m in prompt.messages if m["role"] != "system"]
    assert said[-1] == text
    assert said[:-1] == [*lines][len(lines) - len(said) + 1 :]
    assert sorted((*prompt.kept, *prompt.left_out)) == list(range(1, len(lines) + 2))


def test_words_that_cannot_fit_are_refused_not_cut():
    """The message says what to do."""
    options = ChatOptions(context_tokens=64, reply_tokens=0)
    session = Session(plain_character(), Talker(), options=options)
    with pytest.raises(ChatError, match="context_tokens를 늘려"):
        says(session, "가" * 400)
    assert session.turns == []


def test_a_long_character_shrinks_before_the_newest_words_go():
    """Its lesser parts are cut in the order of the system prompt."""
    character = plain_character(appearance="초록 머리 " * 100)
    options = ChatOptions(context_tokens=64, reply_tokens=0, writes_system=True)
    prompt = Session(character, Talker(), options=options).prompt("안녕")
    assert "초록" not in contents(prompt)[0]
    assert "하루" in contents(prompt)[0]
    assert contents(prompt)[-1] == "안녕"


def test_a_prompt_begins_alike_for_many_turns():
    """When turns must go, several go at once, so that the model can keep what it has read."""
    options = ChatOptions(context_tokens=200, reply_tokens=0, remembers=False)
    session = Session(plain_character(), Talker("응" * 20), options=options)
    for at in range(40):
        says(session, f"{at}번째 날에는 어떻게 됐어?")
    heard = session.backend.heard[15:]
    pairs = list(pairwise(heard))
    grown = sum(after[: len(before)] == before for before, after in pairs)
    assert grown >= 0.6 * len(pairs)


def test_what_lies_outside_the_window_is_not_counted():
    """A long chat costs what fits, not what it is long."""
    options = ChatOptions(context_tokens=400, reply_tokens=0)
    session = Session(plain_character(), Talker(), options=options)
    talk_of(session, [f"{at}번째 말" for at in range(2000)])
    session.prompt("안녕")
    assert session.backend.counted < 20


def test_a_turn_is_counted_once():
    """The second prompt asks about the new words only."""
    session = Session(plain_character(), Talker(), options=ChatOptions(context_tokens=4000))
    talk_of(session, [f"{at}번째 말" for at in range(50)])
    session.prompt("안녕")
    before = session.backend.counted
    session.prompt("잘 가")
    assert session.backend.counted - before <= 4


def lore_session(*entries, **more):
    """A talk with a character that knows these."""
    book = Lorebook(entries=entries, **more)
    return Session(plain_character(lorebook=book), Talker())


def test_lore_fires_by_its_key_with_any_particle():
    """용이랑 calls 용."""
    session = lore_session(DRAGON)
    assert session.prompt("날씨 좋다").lore == ()
    prompt = session.prompt("어제 용이랑 놀았어")
    assert prompt.lore == ("용",)
    assert "용은 겁이 많다." in contents(prompt)[0]


def test_lore_looks_back_as_far_as_its_scan_depth():
    """An older word no longer calls."""
    session = lore_session(DRAGON, scan_depth=3)
    talk_of(session, ["용", "응", "그래", "음"])
    assert session.prompt("저기").lore == ()
    assert session.prompt("저기 용").lore == ("용",)


def test_lore_stays_while_the_words_that_called_it_are_given():
    """The system message of the next turns is the same, so that it is not read again."""
    session = lore_session(DRAGON, scan_depth=1)
    says(session, "용이 뭐야?")
    first = session.last_prompt.messages[0]
    says(session, "아, 그렇구나.")
    assert session.last_prompt.messages[0] == first
    assert session.last_prompt.lore == ("용",)


def test_lore_goes_with_the_words_that_called_it():
    """Where these are deleted it is not called up any more."""
    session = lore_session(DRAGON, scan_depth=1)
    says(session, "용이 뭐야?")
    says(session, "아, 그렇구나.")
    session.delete(0)
    assert session.prompt("그래서?").lore == ()


def test_lore_leaves_with_the_window():
    """It is given for most of the time for which the words are, and never without them."""
    book = Lorebook(entries=(DRAGON,), scan_depth=1)
    options = ChatOptions(context_tokens=400, reply_tokens=50, remembers=False)
    session = Session(plain_character(lorebook=book), Talker(), options=options)
    says(session, "용이 뭐야?")
    seen = []
    for at in range(30):
        says(session, f"{at}번째 이야기를 조금 길게 해 볼게.")
        prompt = session.last_prompt
        seen.append(("용이 뭐야?" in contents(prompt), bool(prompt.lore)))
    assert all(is_given for is_given, has_lore in seen if has_lore)
    given = [has_lore for is_given, has_lore in seen if is_given]
    assert sum(given) >= len(given) - 1 > 10
    assert not seen[-1][0]


def test_lore_of_the_last_words_comes_before_what_stays():
    """Where the budget has room for one only."""
    castle = LoreEntry(keys=("성",), content="성은 높고 춥다.")
    session = lore_session(DRAGON, castle, scan_depth=1, budget_tokens=10)
    says(session, "용이 뭐야?")
    says(session, "성은 어때?")
    assert session.last_prompt.lore == ("성",)


def test_lore_beyond_its_budget_is_left_out_and_told():
    """The look at the prompt names it."""
    big = LoreEntry(keys=("성",), content="성은 크다. " * 50)
    prompt = lore_session(DRAGON, big, budget_tokens=20).prompt("용의 성")
    assert (prompt.lore, prompt.lore_left_out) == (("용",), ("성",))


def test_lore_with_a_depth_stands_among_the_turns():
    """So many turns from the end."""
    session = lore_session(LoreEntry(keys=("용",), content="용은 겁이 많다.", depth=1))
    talk_of(session, ["하나", "둘"])
    assert contents(session.prompt("용"))[-2:] == ["용은 겁이 많다.", "용"]


def test_what_the_system_prompt_holds_is_not_said_twice():
    """An entry that is always known stands there already."""
    session = lore_session(LoreEntry(constant=True, content="바다는 짜다."))
    session.pin("고양이를 키운다")
    assert contents(session.prompt("안녕"))[0].count("바다는 짜다.") == 1


@pytest.mark.parametrize(("depth", "place"), [(0, 4), (1, 3), (2, 2), (9, 1)])
def test_the_note_stands_at_its_depth(depth, place):
    """0 is the very end; what is deeper than the talk stands first."""
    session = Session(plain_character(), Talker())
    talk_of(session, ["하나", "둘"])
    session.set_note("비가 온다", depth)
    assert contents(session.prompt("셋")).index("비가 온다") == place


def test_a_note_never_follows_the_words_that_are_continued():
    """The model goes on with its own words, not after a whisper."""
    session = Session(plain_character(), Talker())
    talk_of(session, ["하나", "둘"])
    session.set_note("비가 온다", 0)
    assert contents(session.prompt())[-1] == "둘"


def test_pinned_facts_and_persona_are_always_given():
    """They stand in the system message."""
    session = Session(plain_character(), Talker(), user="지은")
    session.pin("매운 것을 못 먹는다")
    session.set_persona("소설가")
    system = contents(session.prompt("안녕"))[0]
    assert "매운 것을 못 먹는다" in system
    assert "소설가" in system
    session.unpin(0)
    assert "매운" not in contents(session.prompt("안녕"))[0]


def test_the_model_that_learned_placeholders_gets_them():
    """Another gets the names."""
    entry = LoreEntry(keys=("용",), content="{유저}는 용을 안다.")
    character = plain_character(lorebook=Lorebook(entries=(entry,)))
    own = Session(character, Talker(), user="지은").prompt("용")
    options = ChatOptions(knows_placeholders=False)
    other = Session(character, Talker(), user="지은", options=options).prompt("용")
    assert "{유저}는 용을 안다." in contents(own)[0]
    assert "지은은 용을 안다." in contents(other)[0]


def test_the_greeting_is_given_where_it_is_asked_for():
    """As the character's first words."""
    character = plain_character(greetings=("왔구나!",))
    options = ChatOptions(gives_greeting=True)
    prompt = Session(character, Talker(), options=options).prompt("응")
    assert contents(prompt)[-2:] == ["왔구나!", "응"]
    assert prompt.kept == (1,)


def test_only_somebody_in_the_room_has_a_prompt():
    """The names that are here are told."""
    session = Session(
        plain_character(), Talker(), others=[Member(plain_character("바다"), Talker())]
    )
    assert "바다의 말만" in contents(session.prompt("안녕", speaker="바다"))[0]
    with pytest.raises(ChatError, match="하루, 바다"):
        session.prompt("안녕", speaker="산")
