"""Logs of SillyTavern and lines of messages, in and out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.chat.session import ChatError, Member, Session
from exagirl.chat.store import ChatStore
from support.talkers import Talker, plain_character, raws, says, talk_of

HEAD = {
    "user_name": "지은",
    "character_name": "하루",
    "create_date": "2025-01-02@03h04m05s",
    "chat_metadata": {"note_prompt": "x", "integrity": "abc"},
    "future_key": [1, {"a": None}],
}
USER_LINE = {
    "name": "지은",
    "is_user": True,
    "is_system": False,
    "send_date": "January 2, 2025 3:04am",
    "mes": "안녕",
    "extra": {"isSmallSys": False},
    "force_avatar": "x.png",
}
REPLY_LINE = {
    "name": "하루",
    "is_user": False,
    "is_system": False,
    "send_date": 1735787045000,
    "mes": "둘째 답",
    "swipes": ["첫 답", "둘째 답"],
    "swipe_id": 1,
    "swipe_info": [{"gen_started": "a"}, {"gen_started": "b"}],
    "gen_started": "b",
    "extra": {"api": "openai", "model": "m"},
}
FOREIGN = [HEAD, USER_LINE, REPLY_LINE]


def session_of(*replies, **more):
    """A talk with a character that says these."""
    return Session(plain_character(**more), Talker(*replies), user="지은")


def write(path, rows):
    """Lines of JSON."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def rows_of(path):
    """Lines of JSON, read."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_foreign_log_goes_out_as_it_came(tmp_path):
    """Every key that we do not know stays where it was."""
    session = session_of()
    session.read_log(write(tmp_path / "in.jsonl", FOREIGN))
    out = rows_of(session.write_sillytavern(tmp_path / "out.jsonl"))
    ours = out[0]["chat_metadata"].pop("exagirl")
    assert ours["greeting"] == -1
    assert out == FOREIGN


def test_versions_and_names_of_a_log_are_ours(tmp_path):
    """Swipes are versions; the chosen one counts."""
    session = session_of("셋째 답")
    assert session.read_log(write(tmp_path / "in.jsonl", FOREIGN)) == 2
    last = session.turns[-1]
    assert (last.raw, last.version, last.versions) == ("둘째 답", 2, 2)
    list(session.regenerate())
    out = rows_of(session.write_sillytavern(tmp_path / "out.jsonl"))
    assert (out[-1]["swipes"][-1], out[-1]["swipe_id"], out[-1]["mes"]) == ("셋째 답", 2, "셋째 답")
    assert len(out[-1]["swipe_info"]) == 3


def test_our_own_log_reads_back_as_it_was(tmp_path):
    """Placeholders, greeting, note and pins too."""
    session = session_of("{유저}야!", "{유저}가 왔네", greetings=("어서 와, {유저}", "또 왔네"))
    says(session, "안녕")
    list(session.regenerate())
    session.choose_greeting(1)
    session.pin("비밀")
    session.set_note("비가 온다", 2)
    path = session.write_sillytavern(tmp_path / "log.jsonl")
    again = session_of(greetings=("어서 와, {유저}", "또 왔네"))
    again.read_log(path)
    assert again.turns == session.turns
    assert again.greeting() == "또 왔네"
    assert (again.setting.pins, again.setting.note) == (session.setting.pins, session.setting.note)


def test_a_log_shows_names_where_the_model_wrote_placeholders(tmp_path):
    """Another program shows what people read here."""
    session = session_of("{유저}야!")
    says(session, "안녕")
    out = rows_of(session.write_sillytavern(tmp_path / "log.jsonl"))
    assert out[-1]["mes"] == "지은아!"


def test_a_hidden_line_is_kept_but_not_given_to_the_model(tmp_path):
    """A log's own remarks are for people."""
    session = session_of()
    hidden = {**USER_LINE, "is_system": True, "mes": "(비밀)"}
    session.read_log(write(tmp_path / "in.jsonl", [HEAD, hidden, USER_LINE, REPLY_LINE]))
    assert raws(session)[0] == "(비밀)"
    assert "(비밀)" not in str(session.prompt("응").messages)


def test_a_log_without_metadata_is_a_log(tmp_path):
    """Its first line is a message."""
    session = session_of()
    assert session.read_log(write(tmp_path / "in.jsonl", [USER_LINE, REPLY_LINE])) == 2


def test_reading_a_log_can_be_taken_back(tmp_path):
    """What stood before stands again."""
    session = session_of("하나")
    says(session, "안녕")
    session.read_log(write(tmp_path / "in.jsonl", FOREIGN))
    session.undo()
    assert raws(session) == ["안녕", "하나"]


def test_messages_are_ready_to_train_on(tmp_path):
    """The system message first, the model's own words after it."""
    session = session_of("{유저}야!")
    says(session, "안녕")
    (row,) = rows_of(session.write_messages(tmp_path / "m.jsonl"))
    assert [m["role"] for m in row["messages"]] == ["system", "user", "assistant"]
    assert row["messages"][0]["content"].startswith("너는 하루다.")
    assert row["messages"][2]["content"] == "{유저}야!"


@settings(deadline=None)
@given(lines=st.lists(st.text(min_size=1, max_size=30).filter(str.strip), max_size=8))
def test_both_forms_read_back_unchanged(tmp_path_factory, lines):
    """Whatever was said."""
    folder = tmp_path_factory.mktemp("logs")
    session = session_of()
    for line in lines:
        try:
            says(session, line)
        except ChatError:
            continue
    for written in (
        session.write_messages(folder / "a.jsonl"),
        session.write_sillytavern(folder / "b.jsonl"),
    ):
        again = session_of()
        again.read_log(written)
        assert raws(again) == raws(session)


BAD = [
    ('{"mes": "가", "is_user": true}\n{"mes": ', "2행: JSON이 아닙니다"),
    ('{"mes": "가"}\n\n[1]\n', "3행: { }로 된 줄이 아닙니다"),
    ('{"mes": 7}\n', "1행: 'mes'가 글이 아닙니다"),
    ('{"a": 1}\n{"b": 2}\n', "2행: 'mes'가 글이 아닙니다"),
    ('{"mes": "' + "가" * 100_001 + '"}', "1행: 한마디가 100,001자"),
    ('{"mes": "가", "x": NaN}', "1행: JSON이 아닙니다"),
    ('{"mes": "가", "x": ' + "[" * 200 + "]" * 200 + "}", "겹보다 깊습니다"),
    ('{"mes": "가", "x": ' + "[" * 100_000, "1행: JSON이 아닙니다"),
    ('{"messages": 1}', "1행: messages가 목록이 아닙니다"),
    ('{"messages": [{"role": "tool", "content": "x"}]}', "role이 'tool'"),
    ('{"messages": []}\n{"messages": []}', "대화가 2개"),
    ("", "빈 파일"),
    (b'{"mes": "\xff"}', "1행: UTF-8 글이 아닙니다"),
]


@pytest.mark.parametrize(("text", "told"), BAD)
def test_a_damaged_log_is_refused_with_its_line(tmp_path, text, told):
    """The talk stays as it was."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    session = session_of("하나")
    says(session, "안녕")
    with pytest.raises(ChatError) as refused:
        session.read_log(path)
    assert told in str(refused.value)
    assert raws(session) == ["안녕", "하나"]


def test_half_letters_in_a_log_are_dropped(tmp_path):
    """In the text and in keys that we only carry."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"mes": "가\\ud800나", "extra": {"x": "\\udfff"}}\n', "utf-8")
    session = session_of()
    session.read_log(path)
    assert raws(session) == ["가나"]
    session.write_sillytavern(tmp_path / "out.jsonl")


def test_a_log_is_continued(tmp_path):
    """The model hears what was read in."""
    session = session_of("응.")
    talk_of(session, ["하나", "둘"])
    path = session.write_messages(tmp_path / "m.jsonl")
    other = session_of("응.")
    other.read_log(path)
    says(other, "셋")
    assert [m["content"] for m in other.backend.heard[-1]] == ["하나", "둘", "셋"]


def test_a_room_reads_its_own_log(tmp_path):
    """Who said what, and each one's own name for itself."""

    def room():
        others = [Member(plain_character("바다"), Talker("나는 {캐릭터}야, {유저}야."))]
        return Session(plain_character(), Talker("응."), user="지은", others=others)

    session = room()
    says(session, "하루야")
    says(session, "바다야")
    out = rows_of(session.write_sillytavern(tmp_path / "log.jsonl"))
    assert [row["name"] for row in out[1:]] == ["지은", "하루", "지은", "바다"]
    assert out[-1]["mes"] == "나는 바다야, 지은아."
    again = room()
    again.read_log(tmp_path / "log.jsonl")
    assert again.turns == session.turns


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = ("name", "is_user", "is_system", "mes", "swipes", "swipe_id", "swipe_info", "extra")
ROWS = st.fixed_dictionaries(
    {"mes": st.one_of(*[st.text(max_size=5)] * 5, JSON)},
    optional={
        **{key: JSON for key in KEYS if key != "mes"},
        "swipe_id": st.integers(-1, 3),
        "swipes": st.lists(st.text(max_size=4), max_size=3),
        "extra": JSON | st.fixed_dictionaries({"exagirl": JSON}),
        "chat_metadata": JSON,
    },
)


@settings(deadline=None)
@given(
    head=st.dictionaries(st.sampled_from(["user_name", "chat_metadata", "x"]), JSON),
    rows=st.lists(ROWS, max_size=4),
)
def test_any_json_is_read_or_refused_and_what_is_read_is_stored(tmp_path_factory, head, rows):
    """Never a crash, and the second reading of what we write is the first."""
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [head, *rows]), "utf-8")
    session = session_of(greetings=("어서 와",))
    with ChatStore(folder / "chats.sqlite") as store:
        chat = session.store_in(store)
        try:
            session.read_log(path)
        except ChatError as refused:
            assert "행" in str(refused) or "빈 파일" in str(refused)  # noqa: PT017 (either is right)
            return
        assert store.load(chat).conversation.turns == session._talk.turns
    again = session_of(greetings=("어서 와",))
    again.read_log(session.write_sillytavern(folder / "out.jsonl"))
    assert again.turns == session.turns
