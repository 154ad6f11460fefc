"""``exagirl chat`` where lines are typed in and read out: no terminal, an address as the model."""

import json
import os
import subprocess
import sys

import pytest

from exagirl.chat.store import ChatStore
from support.sse_server import CUT, StreamServer

HARU = "name: 하루\ndescription: 바닷가에 산다.\nspeech: {level: banmal}\n"


class Place:
    """A folder to talk in, and a server that answers."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None

    def chat(self, typed, *more):
        """Run the command with these lines; returns the process and its output."""
        command = [sys.executable, "-m", "exagirl", "chat", self.server.url, *more]
        command += ["--character", "exa", "--runs", str(self.folder / "runs")]
        return subprocess.run(
            command,
            cwd=self.folder,
            input=typed if isinstance(typed, bytes) else typed.encode(),
            capture_output=True,
            check=False,
            env=os.environ | {"COLUMNS": "80"},
        )

    def says(self, *lines, more=(), replies=(["*웃으며* 응, ", "{{user}}야!"],)):
        """What is on the screen after these lines."""
        with StreamServer(*replies) as self.server:
            done = self.chat("".join(f"{line}\n" for line in lines), *more)
        out = done.stdout.decode()
        assert done.returncode == 0, done.stderr.decode()
        assert "Traceback" not in out + done.stderr.decode()
        return out

    def stored(self):
        """The conversations in the file."""
        with ChatStore(self.folder / "runs" / "chats.sqlite") as store:
            return [store.load(one.id) for one in store.chats()]


@pytest.fixture
def place(tmp_path):
    """A place of its own for each test."""
    return Place(tmp_path)


def raws(stored):
    """What was said in a stored conversation."""
    return [turn.raw for turn in stored.conversation.turns]


def test_a_conversation_is_shown_and_kept(place):
    """Names are filled in; colours and codes stay out of a pipe."""
    out = place.says("안녕!", "/quit", more=("--user", "지은"))
    assert "엑사: *웃으며* 응, 지은아!" in out
    assert "\x1b" not in out
    assert "--resume" in out
    assert [raws(one)[0] for one in place.stored()] == ["안녕!"]


def test_a_visit_without_a_word_leaves_nothing(place):
    """No file of conversations is made."""
    place.says("/who", "/help")
    assert not (place.folder / "runs").exists()


def test_a_conversation_is_resumed_where_it_ended(place):
    """The last one by itself, another by its number in the list."""
    place.says("첫 대화야")
    place.says("둘째 대화야")
    out = place.says("이어서", more=("--resume",))
    assert "이어서 합니다" in out
    assert "둘째 대화야" in out
    assert sorted(len(raws(one)) for one in place.stored()) == [2, 4]
    place.says("여기도", more=("2", "--resume"))
    assert [raws(one)[::2] for one in place.stored()] == [
        ["첫 대화야", "여기도"],
        ["둘째 대화야", "이어서"],
    ]


def test_the_list_needs_no_model(place):
    """Numbers, times, first words."""
    place.says("바다 이야기 하자")
    with StreamServer(["응"], models=["하나", "둘"]) as place.server:  # no model could be chosen
        done = place.chat("", "--list")
        assert "바다 이야기 하자" in done.stdout.decode()
        assert done.returncode == 0
        missing = place.chat("", "7", "--resume")
    assert missing.returncode == 2
    assert "--list" in missing.stderr.decode()


def test_replies_have_versions(place):
    """Drawn anew, gone through, taken back."""
    replies = (["하나"], ["둘"], ["셋"])
    out = place.says("안녕", "/다시", "/이전", "/next", "/next", "/undo", replies=replies)
    assert "엑사: 하나 [1/2]" in out
    assert "엑사: 둘 [2/2]" in out
    assert "엑사: 셋" in out
    assert "되돌렸습니다: 다시 뽑기" in out
    [turn] = [t for t in place.stored()[0].conversation.turns if t.role == "assistant"]
    assert [version.raw for version in turn.versions] == ["하나", "둘"]


def test_words_are_edited_deleted_and_noted(place):
    """By the numbers that /보기 shows; what the model is given changes with them."""
    place.says(
        "안녕", "/edit 1 안녕, 엑사", "/edit", "고친 답", "/note 비가 온다", "/pin 고양이를 기른다",
        "/user 지은", "뭐 해?", "/지우기 3 부터",
    )  # fmt: skip
    assert raws(place.stored()[0]) == ["안녕, 엑사", "고친 답"]
    asked = place.server.bodies[-1]["messages"]
    said = " ".join(message["content"] for message in asked)
    assert "고친 답" in said
    assert "비가 온다" in said
    assert "고양이를 기른다" in asked[0]["content"]
    assert "지은" in asked[0]["content"]


def test_the_exact_prompt_is_shown(place):
    """What would be sent, word for word, with its tokens."""
    out = place.says("/prompt 오늘 뭐 해?", "오늘 뭐 해?")
    for message in place.server.bodies[0]["messages"]:
        for line in message["content"].split("\n"):
            assert line.strip()[:30] in out
    assert "토큰" in out


def test_a_conversation_goes_out_and_comes_back(place):
    """As SillyTavern's log and as a row to train on; nothing is overwritten unasked."""
    out = place.says(
        "안녕", "/save log.jsonl", "/save log.jsonl", "/save row.jsonl --messages",
        "/new", "/load log.jsonl", "/load none.jsonl",
    )  # fmt: skip
    assert "이미 있습니다" in out
    assert "none.jsonl" in out
    row = json.loads((place.folder / "row.jsonl").read_text("utf-8"))
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    first, second = place.stored()
    assert raws(first)[-2] == raws(second)[-2] == "안녕"


def test_a_line_that_breaks_is_told_and_asked_again(place):
    """What came stays; where nothing came, the words are sent once more."""
    replies = (["바다에 ", CUT], ["바다에 갔어."], (503, "busy"), ["또 갔어."])
    out = place.says("어제 뭐 했어?", "/regen", "오늘은?", "/regen", replies=replies)
    assert "바다에 (끊김)" in out
    assert "답이 끝나기 전에 연결이 끊겼습니다" in out
    assert "HTTP 503" in out
    assert "/다시 하면" in out
    assert place.server.heard == ["어제 뭐 했어?", "어제 뭐 했어?", "오늘은?", "오늘은?"]
    assert raws(place.stored()[0]) == ["어제 뭐 했어?", "바다에 갔어.", "오늘은?", "또 갔어."]


def test_a_reply_goes_on(place):
    """It is shown whole."""
    out = place.says("안녕", "/continue", replies=(["나는 오늘"], ["바다에 갔어."]))
    assert "엑사: 나는 오늘 바다에 갔어." in out


def test_several_characters_talk_in_one_room(place):
    """Who is called answers, under its own name."""
    (place.folder / "haru.yaml").write_text(HARU, "utf-8")
    out = place.says("하루야, 안녕", "/speak 엑사", "/who", more=("--with", "haru.yaml"))
    assert "하루: *웃으며* 응" in out
    assert "엑사: *웃으며* 응" in out
    assert "엑사, 하루" in out
    turns = place.stored()[0].conversation.turns
    assert [turn.speaker for turn in turns] == ["", "하루", "엑사"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/모름", "모르는 명령"),
        ("/edit 9 글", "번째 말은 없습니다"),
        ("/edit 영", "번째 말은 없습니다"),
        ("/undo", "되돌릴 것이 없습니다"),
        ("/continue", "번째 말은 없습니다"),
        ("/unpin 3", "고정한 기억은 없습니다"),
        ("/greeting 99", "첫인사는 없습니다"),
        ("/save", "먼저 말을 걸어"),
        ("/load", "파일 하나"),
        ("/load 'a", "따옴표"),
        ("/check", "번째 말은 없습니다"),
        ("가" * 5000, "너무 깁니다"),
    ],
)
def test_what_cannot_be_done_is_a_message(place, line, words):
    """And the conversation goes on."""
    out = place.says(line, "안녕")
    assert words in out
    assert place.server.heard == ["안녕"]


def test_odd_bytes_and_controls_do_no_harm(place):
    """Half letters, escape codes typed in or sent by the model."""
    with StreamServer(["\x1b[2J응\x07"]) as place.server:
        done = place.chat("안\x00녕\x1b[31m ".encode() + b"\xff\xfe\n//quit\n")
    assert done.returncode == 0, done.stderr.decode()
    assert b"\x1b" not in done.stdout
    assert b"\x07" not in done.stdout
    assert place.server.heard[1] == "/quit"


def test_lines_are_joined_by_a_backslash(place):
    """One message of two lines."""
    place.says("첫 줄\\", "둘째 줄")
    assert place.server.heard == ["첫 줄\n둘째 줄"]


def test_an_address_without_a_character_is_one_message(tmp_path):
    """Exit 2; what to do; no traceback."""
    command = [sys.executable, "-m", "exagirl", "chat", "http://127.0.0.1:1/v1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "--character" in done.stderr
    assert "Traceback" not in done.stderr
