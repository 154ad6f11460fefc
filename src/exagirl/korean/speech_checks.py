"""Sentences that fall out of the level that a speaker should keep."""

import re
from collections.abc import Iterator

from exagirl.korean.analyser import analyser
from exagirl.korean.endings import Verdict
from exagirl.korean.findings import Severity, Spot
from exagirl.korean.rules import Level
from exagirl.korean.speech import level_of, may_be_polite, plain_clause, verdict_of
from exagirl.korean.turn import TurnText

# Phrases that banmal speakers use as they are, and short answers.
_SET_PHRASE = re.compile(
    r"^(?:여보세요|잘\s?먹겠습니다|잘\s?먹었습니다|다녀오겠습니다|다녀왔습니다|(?:생일\s?)?축하합니다|새해\s?복\s?많이\s?받으세요|"
    r"수고하셨습니다|충성|분부대로\s?하겠습니다|네+|넵+|넹|옙|예|그쵸|아뇨|알겠습니다)[\s.!?~…♡♥ㅋㅎㅠㅜ^]*$"
)
_PLAYFUL = re.compile(r"(?:[용염욤욥여영유쥬죵당돠]|[슴임함됨]다|그쵸|맞쵸)$")
# Endings that one also says to oneself: 늦었군, 예쁘네, 어디 보자, 그럴까.
_TO_ONESELF = re.compile(r"(?:구나|군|네|걸|까|나|지|라|다|더라|구만)$")


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
                severity=_polite_severity(clause.text, verdict),
            )


def _polite_severity(clause: str, verdict: Verdict) -> Severity | None:
    """Take set phrases and playful forms for a joke that may be meant."""
    is_playful = _SET_PHRASE.match(clause) or _PLAYFUL.search(verdict.ending)
    return "warning" if is_playful else None


def _banmal_slips(turn: TurnText) -> Iterator[Spot]:
    """Find the banmal sentences of a turn: a fault where no sentence is polite."""
    verdicts = [(clause, verdict_of(clause.text)) for clause in turn.clauses]
    slips = [pair for pair in verdicts if pair[1] is not None and pair[1].level == "banmal"]
    is_polite = any(verdict and verdict.level == "polite" for _, verdict in verdicts)
    if not is_polite and level_of(turn.clauses) == "banmal":
        yield from _banmal_turn(turn, [(clause, verdict) for clause, verdict in slips if verdict])
        return
    for clause, verdict in slips:
        if verdict and not _TO_ONESELF.search(verdict.ending):
            yield Spot("speech.banmal", clause.start, clause.end, severity="warning")


def _banmal_turn(turn: TurnText, slips: list[tuple[object, Verdict]]) -> Iterator[Spot]:
    """Report a turn that is banmal throughout, as one finding over what is said."""
    is_aside = bool(slips) and all(_TO_ONESELF.search(verdict.ending) for _, verdict in slips)
    yield Spot(
        "speech.banmal",
        turn.clauses[0].start,
        turn.clauses[-1].end,
        severity="warning" if is_aside else None,
    )
