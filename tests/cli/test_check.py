"""``exagirl check``: forms of files, the table, JSON lines and exit codes."""

import json

import pytest
import typer
from typer.testing import CliRunner

from exagirl.cli.check import check
from exagirl.dialogue.formats import read_dialogues
from exagirl.errors import TranscriptError

_APP = typer.Typer(pretty_exceptions_enable=False)
_APP.command()(check)

_TURNS = [("user", "뭐 해?"), ("assistant", "네 생각!")]
_FORMS = {
    "ours.jsonl": {"id": "1", "turns": [{"role": r, "content": c} for r, c in _TURNS]},
    "chat.jsonl": {
        "messages": [
            {"role": "system", "content": "너는 엑사야."},
            *({"role": r, "content": c} for r, c in _TURNS),
        ]
    },
    "seed.jsonl": {"text": [{"role": r, "content": c} for r, c in _TURNS]},
    "sharegpt.jsonl": {
        "conversations": [
            {"from": "human", "value": "뭐 해?"},
            {"from": "gpt", "value": "네 생각!"},
        ]
    },
    "numbered.jsonl": {"gpt1": "네 생각!", "human1": "뭐 해?"},
}


def _run(*arguments):
    return CliRunner().invoke(_APP, [*map(str, arguments)])


def _write(folder, name, *rows):
    path = folder / name
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")
    return path


@pytest.mark.parametrize("name", sorted(_FORMS))
def test_every_form_of_json_lines_reads_the_same(tmp_path, name):
    """Ours, chat messages, the seed's, ShareGPT, numbered keys."""
    path = _write(tmp_path, name, _FORMS[name], _FORMS[name])
    found = read_dialogues(path)
    assert [list(dialogue.turns) for dialogue in found] == [_TURNS, _TURNS]
    assert [dialogue.line for dialogue in found] == [1, 2]


def test_arrays_objects_and_single_messages_are_read(tmp_path):
    """JSON files, and one message a line."""
    array = tmp_path / "array.json"
    array.write_text(json.dumps(list(_FORMS.values())))
    assert len(read_dialogues(array)) == len(_FORMS)
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(_FORMS["ours.jsonl"], indent=2))
    assert list(read_dialogues(whole)[0].turns) == _TURNS
    loose = _write(tmp_path, "loose.jsonl", *({"role": r, "content": c} for r, c in _TURNS))
    assert [list(one.turns) for one in read_dialogues(loose)] == [_TURNS]


def test_transcripts_and_plain_lines_are_read(tmp_path):
    """Labels part the turns; without labels every line is the character's."""
    labelled = tmp_path / "two.txt"
    labelled.write_text("human1: 뭐 해?\ngpt1: 네 생각!\n\nhuman1: 뭐 해?\ngpt1: 네 생각!\n")
    assert [list(one.turns) for one in read_dialogues(labelled)] == [_TURNS, _TURNS]
    plain = tmp_path / "plain.txt"
    plain.write_text("안녕!\n\n[공지] 나 왔어\n")
    assert [one.turns[0].content for one in read_dialogues(plain)] == ["안녕!", "[공지] 나 왔어"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no-dialogue"),
        (b"\xff\xfe", "not-utf-8"),
        (b'{"turns": [', "not-json"),
        (b'{"story": 1}', "unknown-form"),
        (b'{"turns": [{"role": "narrator", "content": "a"}]}', "unknown-form"),
        (b'{"turns": [{"role": "user"}]}', "unknown-form"),
        (b"[1, 2]", "unknown-form"),
    ],
)
def test_what_is_no_dialogue_is_named(tmp_path, content, code):
    """The message says which file, which line and what to write."""
    path = tmp_path / "file.jsonl"
    path.write_bytes(content)
    with pytest.raises(TranscriptError, match=r"file\.jsonl") as caught:
        read_dialogues(path)
    assert caught.value.code == code


def test_a_missing_file_is_named(tmp_path):
    """Not a traceback."""
    with pytest.raises(TranscriptError, match="없는"):
        read_dialogues(tmp_path / "없는.jsonl")


def test_a_sound_file_ends_with_zero_and_a_count(tmp_path):
    """No table where nothing was found."""
    done = _run(_write(tmp_path, "ours.jsonl", _FORMS["ours.jsonl"]), "--character", "exa")
    assert done.exit_code == 0, done.output
    assert "대화 1편, 말 2개: 오류 0곳" in done.output


def test_errors_end_with_one_and_a_table(tmp_path):
    """A row a code, with the place and what to write instead."""
    rows = {"turns": [{"role": "assistant", "content": "네, 알겠습니다. 기다려 주세요 😀"}]}
    done = _run(_write(tmp_path, "bad.jsonl", rows), "--character", "exa")
    assert done.exit_code == 1
    for word in ("speech.polite", "script.emoji", "오류", "1번째 줄"):
        assert word in done.output


def test_without_a_character_the_level_is_free(tmp_path):
    """Only what is wrong for everybody."""
    rows = {"turns": [{"role": "assistant", "content": "기다려 주세요."}]}
    assert _run(_write(tmp_path, "polite.jsonl", rows)).exit_code == 0


def test_json_lines_are_for_machines(tmp_path):
    """One finding a line with its place; broken characters do not break the output."""
    rows = {"turns": [{"role": "user", "content": "응"}, {"role": "assistant", "content": "x"}]}
    path = _write(tmp_path, "bad.jsonl", rows)
    path.write_text(path.read_text().replace('"x"', '"안녕\\ud800 😀"'))
    done = _run(path, "--json")
    assert done.exit_code == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["code"], one["line"], one["turn"]) for one in found] == [
        ("text.broken", 1, 2),
        ("script.emoji", 1, 2),
    ]
    assert {"file", "role", "severity", "start", "end", "message", "found"} <= set(found[0])
