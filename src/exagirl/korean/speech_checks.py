"""Sentences that fall out of the level that a speaker should keep."""

import re
from collections.abc import Iterator

from exagirl.korean.analyser import analyser
from exagirl.korean.endings import Verdict
from exagirl.korean.findings import Severity, Spot
from exagirl.korean.rules import Level
from exagirl.korean.speech import Clause, level_of, may_be_polite, plain_clause, verdict_of
from exagirl.korean.turn import TurnText

# Phrases that banmal speakers use as they are, and short answers.
_SET_PHRASE = re.compile(
    r"^(?:여보세요|잘\s?먹겠습니다|잘\s?먹었습니다|다녀오겠습니다|다녀왔습니다|(?:생일\s?)?축하합니다|새해\s?복\s?많이\s?받으세요|"
    r"수고하셨습니다|충성|분부대로\s?하겠습니다|네[네, ]{0,20}|넵+|넹|옙|예|그쵸|아뇨|알겠습니다)"
    r"[\s.!?~…♡♥ㅋㅎㅠㅜ^]*$"
)
_PLAYFUL = re.compile(r"(?:[용염욤욥여영유쥬죵당돠]|[슴임함됨]다|시다|그쵸|맞쵸)$")
# "저요!" 하고 손 들었지, without the quotation marks.
_REPORTED = re.compile(
    r"(?:요|죠|니다|니까)[!?~,.…\s]{1,4}(?:하고|라고|라는|이라는|하며|하면서|라며|하길래)(?=[\s,]|$)"
)
_REPORT_CHARS = 6
# Endings that one also says to oneself (늦었군, 어디 보자) or trails off with (드셔야 할 텐데…).
_ASIDE = re.compile(
    "(?:구나|군|네|걸|까|나|지|라|다|더라|구만|보자|어째|어쩌지"
    "|데|고|서|니까|면|려고|지만|면서|도|든지|다가|길래|응)$"
)


def level_spots(turn: TurnText, level: Level) -> Iterator[Spot]:
    """Find the sentences that are not at a level."""
    if level == "banmal":
        yield from _polite_slips(turn)
    else:
        yield from _banmal_slips(turn)


def _polite_slips(turn: TurnText) -> Iterator[Spot]:
    """Find every polite sentence; the analyser is asked only about what could be one."""
    for clause in turn.clauses:
        verdict = verdict_of(clause.text)
        if verdict is None and may_be_polite(clause.text):
            verdict = analyser().judge(plain_clause(clause.text))
        if verdict is not None and verdict.level == "polite":
            yield Spot(
                "speech.polite",
                clause.start,
                clause.end,
                severity=_polite_severity(turn, clause, verdict),
            )


def _polite_severity(turn: TurnText, clause: Clause, verdict: Verdict) -> Severity | None:
    """Take set phrases, playful forms and what is reported for something that may be meant."""
    is_playful = _SET_PHRASE.match(clause.text) or _PLAYFUL.search(verdict.ending)
    is_reported = _REPORTED.search(turn.spoken[clause.start : clause.end + _REPORT_CHARS])
    return "warning" if is_playful or is_reported else None


def _banmal_slips(turn: TurnText) -> Iterator[Spot]:
    """Find the banmal sentences of a turn: a fault where no sentence is polite."""
    verdicts = [verdict_of(clause.text) for clause in turn.clauses]
    is_polite = any(verdict and verdict.level == "polite" for verdict in verdicts)
    if not is_polite and level_of(turn.clauses) == "banmal":
        yield _banmal_turn(turn)
        return
    for clause, verdict in zip(turn.clauses, verdicts, strict=True):
        if verdict and verdict.level == "banmal" and not _ASIDE.search(verdict.ending):
            yield Spot("speech.banmal", clause.start, clause.end, severity="warning")


def _banmal_turn(turn: TurnText) -> Spot:
    """Report a turn that is banmal throughout, as one finding over what is said.

    It is only a warning where the speaker may be talking to themselves, or trails off.
    """
    verdicts = [
        verdict_of(clause.text) or analyser().judge(plain_clause(clause.text))
        for clause in turn.clauses
    ]
    is_aside = all(
        _ASIDE.search(verdict.ending) for verdict in verdicts if verdict.level == "banmal"
    )
    start, end = turn.clauses[0].start, turn.clauses[-1].end
    return Spot("speech.banmal", start, end, severity="warning" if is_aside else None)
