"""Conversations from anywhere are counted by the character's rules."""

import json

import pytest

from exagirl.cli.main import main
from exagirl.errors import ArtifactError, TranscriptError
from exagirl.evaluation.report.write import REPORT
from exagirl.evaluation.transcripts import score_transcripts
from exagirl.persona.character import load_character

GOOD = [["안녕", "*손을 흔들며* 왔구나! 오늘은 뭐 하고 놀까?"], ["나 왔어", "*웃으며* 기다렸어."]]
BAD = [["안녕", "안녕하세요. 무엇을 도와드릴까요?"], ["나 왔어", "저는 AI 언어 모델입니다."]]


@pytest.fixture
def write(tmp_path):
    """Writes pairs of lines as `messages`; gives back the file."""

    def write(name, pairs):
        rows = [
            {"messages": [{"role": "user", "content": u}, {"role": "assistant", "content": a}]}
            for u, a in pairs
        ]
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return write


def test_every_line_of_the_character_is_counted(write):
    """Two replies in banmal with good actions, none with a fault."""
    evaluation = score_transcripts([write("good.jsonl", GOOD)], load_character("exa"))
    (model,) = evaluation.models
    assert model.replies == 2
    assert model.measure("level").value == model.measure("action_form").value == 1
    assert model.measure("disclosure").value == 0


def test_a_second_file_is_compared_with_the_first(write):
    """Polite assistant-speak is worse than the character's own talk."""
    files = [write("good.jsonl", GOOD * 8), write("bad.jsonl", BAD * 8)]
    evaluation = score_transcripts(files, load_character("exa"))
    verdicts = {one.name: one.verdict for one in evaluation.changes}
    assert {one.of for one in evaluation.changes} == {"bad"}
    assert verdicts["level"] == verdicts["violations"] == "worse"


def test_a_character_that_opens_the_talk_is_counted_too(tmp_path):
    """Nothing stood before its line."""
    path = tmp_path / "opens.jsonl"
    turns = [{"role": "assistant", "content": "왔구나!"}, {"role": "user", "content": "응"}]
    path.write_text(json.dumps({"turns": turns}), "utf-8")
    (model,) = score_transcripts([path], load_character("exa")).models
    assert model.replies == 1


def test_a_file_without_the_character_is_told(tmp_path):
    """It names the file."""
    path = tmp_path / "alone.jsonl"
    path.write_text(json.dumps({"turns": [{"role": "user", "content": "응"}]}), "utf-8")
    with pytest.raises((ArtifactError, TranscriptError), match="alone"):
        score_transcripts([path], load_character("exa"))


def test_two_files_of_one_name_are_refused(write, tmp_path):
    """Their scores could not be told apart."""
    with pytest.raises(ArtifactError, match="이름이 같은"):
        score_transcripts([write("a.jsonl", GOOD), tmp_path / "b" / "a.jsonl"], None)


def test_the_command_prints_and_writes_a_report(write, tmp_path, capsys):
    """The table on the screen, the page where it was asked for."""
    path = write("good.jsonl", GOOD)
    out = tmp_path / "out"
    assert main(["evaluate", str(path), "--character", "exa", "--out", str(out)]) == 0
    assert "말투" in capsys.readouterr().out
    assert (out / REPORT).is_file()


def test_a_file_needs_a_character(write, capsys):
    """Whose words they are cannot be guessed."""
    assert main(["evaluate", str(write("good.jsonl", GOOD))]) == 2
    assert "--character" in capsys.readouterr().err
