"""Conversations that somebody else's model had: what rules say of them, file beside file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exagirl.artifact import hash_file, versions
from exagirl.dialogue.formats import FoundTurn, read_dialogues
from exagirl.dialogue.records import Turn
from exagirl.errors import ArtifactError
from exagirl.evaluation.changes import find_changes
from exagirl.evaluation.quotes import choose_quotes
from exagirl.evaluation.rules import RuleReport, measure_rules
from exagirl.evaluation.scores import Evaluation, ModelScores, Reply
from exagirl.persona.character import Character

TRANSCRIPT = "transcript"
"""The kind of a reply that stands in a file."""


def score_transcripts(files: Sequence[Path], character: Character, *, seed: int = 0) -> Evaluation:
    """Count what can be counted in files of dialogues, in whatever form they are.

    Every file is taken for one model; all are compared with the first.

    Raises:
        ArtifactError: The character says nothing in a file, or two files have the same name.
        TranscriptError: A file cannot be read, or holds no dialogues.
    """
    names = [path.stem for path in files]
    if len(set(names)) < len(names):
        raise ArtifactError(
            f"이름이 같은 파일이 있어 구별할 수 없습니다: {', '.join(map(str, files))}. 이름을 "
            "바꿔 주세요."
        )
    reports = {path.stem: _measure(path, character, seed) for path in files}
    models = [_scores(path, reports[path.stem]) for path in files]
    speech = character.speech
    return Evaluation(
        run=" · ".join(path.name for path in files),
        character=character.name,
        level=None if speech.is_old else speech.level,
        models=tuple(models),
        changes=tuple(
            change
            for model in models[1:]
            for change in find_changes(
                model,
                models[0],
                (reports[model.name].values, reports[models[0].name].values),
                seed=seed,
            )
        ),
        quotes=choose_quotes([reply for one in reports.values() for reply in one.replies]),
        repeat={
            "seed": seed,
            "files": {str(path): hash_file(path) for path in files},
            "versions": versions(),
        },
    )


def _measure(path: Path, character: Character, seed: int) -> RuleReport:
    replies = tuple(
        Reply(
            model=path.stem,
            scenario=f"{path.stem}:{dialogue.line}",
            kind=TRANSCRIPT,
            position=sum(turn.role == "assistant" for turn in before) + 1,
            before=before,
            text=turn.content,
        )
        for dialogue in read_dialogues(path)
        for at, turn in enumerate(dialogue.turns)
        if turn.role == "assistant"
        for before in [_before(dialogue.turns[:at])]
    )
    if not replies:
        raise ArtifactError(
            f"{path}: 캐릭터의 말이 없습니다. 대화에 캐릭터의 차례(assistant, gpt)가 있어야 합니다."
        )
    return measure_rules(replies, character, seed=seed)


def _before(turns: Sequence[FoundTurn]) -> tuple[Turn, ...]:
    """What stands before a reply; a character that opens the talk answers silence."""
    said = tuple(Turn(role=turn.role, content=turn.content) for turn in turns)
    return said or (Turn(role="user", content=""),)


def _scores(path: Path, report: RuleReport) -> ModelScores:
    return ModelScores(
        name=path.stem,
        label=path.stem,
        digest=hash_file(path),
        measures=report.measures,
        drift=report.drift,
        findings=report.findings,
        replies=len(report.replies),
        empty_replies=report.empty_replies,
    )
