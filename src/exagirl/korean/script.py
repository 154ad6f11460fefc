"""Letters that do not belong into Korean talk: Hanja, Kana, Cyrillic, Latin sentences, emoji."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from exagirl.korean.emoji import EMOJI, EMOTICON
from exagirl.korean.findings import Severity, Spot
from exagirl.korean.rules import Rules
from exagirl.korean.turn import TurnText
from exagirl.korean.words import words

_HANGUL = "가-힣ㄱ-ㆎ\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb\uffa1-\uffdc"
# Anything that is neither Hangul, Latin, a digit nor a common mark; most turns hold nothing.
_UNCOMMON = re.compile(rf"[^{_HANGUL}\x00-\u024f\u2000-\u2bff\u3000-\u303f\ufe0f\uff00-\uff65]")

_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_CYRILLIC = "\u0400-\u052f"
_RUNS = (
    ("script.hanja", re.compile(f"[{_HAN}]+")),
    ("script.kana", re.compile(f"[{_KANA}]+(?:[ ・][{_KANA}]+)*")),
    ("script.cyrillic", re.compile(f"[{_CYRILLIC}]+(?: [{_CYRILLIC}]+)*")),
)
_OTHER_LETTERS = re.compile(
    rf"(?:[^\W\d_{_HANGUL}{_HAN}{_KANA}{_CYRILLIC}\x00-\u024f\uff00-\uff65]|[\u0e31-\u0e4e\u0900-\u0903\u093a-\u094f\u064b-\u0652])+"
)

#: Signs that newspapers and signboards write alone.
_NEWSPAPER = frozenset(
    "美中日韓北南男女前現故大小新舊親反非對無有左右上下父母子王孝美愛福壽金土月火水木情心"
)
#: Letters that live in faces: (ノ◕ヮ◕)ノ, ¯\_(ツ)_/¯, (´Д`), (・ω・), 彡.
_IN_FACES = frozenset("ノヮツﾉヽヾゞシｼンソミΣДдэωεσлლಠ益口皿艸彡罒ʕʔᴥθдᐛᕗᕙづつっ人ア∀ｷﾟ゜")

_LATIN_RUN = re.compile(
    r"(?<![A-Za-z'’])[A-Za-z][A-Za-z'’]*+(?:[ ,.!?…\-]{1,4}[A-Za-z][A-Za-z'’]*+)+"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
_ABBREVIATION = re.compile("[A-Z]{1,6}(?![a-z])")
# Happy birthday to you! is still Korean talk; a fifth word makes it English.
_SENTENCE_WORDS = 5
_WHOLE_TURN_WORDS = 4
_ACTED_WORDS = 2
_SHORTEST_SHARED = 12
_LEAST_HANGUL = 0.3


class Letters(NamedTuple):
    """How many letters of each kind a text holds; marks, digits and placeholders are none."""

    hangul: int
    latin: int
    other: int

    @property
    def hangul_share(self) -> float:
        """Hangul of all letters; 1.0 where there are no letters."""
        total = self.hangul + self.latin + self.other
        return self.hangul / total if total else 1.0


def count_letters(text: str) -> Letters:
    """Count the letters of a text by script."""
    hangul = len(re.findall(f"[{_HANGUL}]", text))
    latin = len(re.findall("[A-Za-z\u00c0-\u024f]", text))
    other = len(re.findall(r"[^\W\d_]", text)) - hangul - latin
    return Letters(hangul, latin, max(other, 0))


def script_spots(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Find foreign letters, Latin sentences and emoji in a turn."""
    if _UNCOMMON.search(turn.text):
        yield from _foreign_runs(turn, rules)
    if turn.has_latin:
        runs = [*_latin_runs(turn, rules)]
        yield from runs
        letters = count_letters(_ABBREVIATION.sub(" ", _without(turn.aloud, rules.foreign_words)))
        total = letters.hangul + letters.latin + letters.other
        if not runs and total >= _SHORTEST_SHARED and letters.hangul_share < _LEAST_HANGUL:
            yield Spot("script.share", 0, len(turn.text))


def emoji_spots(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Find emoji and emoticons that the rules forbid."""
    if rules.emoji == "forbid":
        for match in EMOJI.finditer(turn.text):
            yield Spot("script.emoji", *match.span())
    if rules.emoticons == "forbid":
        for match in EMOTICON.finditer(turn.aloud):
            yield Spot("script.emoticon", *match.span())


def _foreign_runs(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Find runs of Hanja, Kana, Cyrillic and other scripts outside quotations and glosses."""
    for code, pattern in _RUNS:
        for match in pattern.finditer(turn.text):
            if not _is_allowed(turn, match, rules.foreign_words):
                yield Spot(code, *match.span(), severity=_severity(match[0]))
    for match in _OTHER_LETTERS.finditer(turn.text):
        if len(match[0]) > 1 and not _is_allowed(turn, match, rules.foreign_words):
            yield Spot("script.foreign", *match.span(), severity=_severity(match[0]))


def _severity(run: str) -> Severity | None:
    """Take single letters and newspaper Hanja for a question, longer runs for a fault."""
    is_question = len(run) == 1 and ("\u3040" <= run <= "\u30ff" or run < "\u3000")
    return "warning" if is_question or all(one in _NEWSPAPER for one in run) else None


def _is_allowed(turn: TurnText, match: re.Match[str], known: frozenset[str]) -> bool:
    """Tell whether a run is whitelisted, part of a face, quoted or a gloss such as 사랑(愛)."""
    start, end = match.span()
    if all(one in _IN_FACES for one in match[0]):
        return True
    if turn.is_mentioned(start):
        return True
    is_gloss = turn.text[start - 1 : start] in {"(", "（", "["} or turn.text[end : end + 1] in {
        ")",
        "）",
    }
    return is_gloss or any(word in match[0] for word in known)


def _latin_runs(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Find Latin sentences outside quotations, code and addresses."""
    text = _without(turn.text, rules.foreign_words)
    for match in _LATIN_RUN.finditer(text):
        if turn.is_mentioned(match.start()):
            continue
        severity = _latin_severity(_WORD.findall(match[0]), turn, match.start())
        if severity:
            yield Spot("script.latin", *match.span(), severity=severity)


def _latin_severity(run: list[str], turn: TurnText, start: int) -> Severity | None:
    """Weigh a run of Latin words: a sentence, perhaps a title, or a few words among Korean."""
    function_words = words("english_function_words")
    is_sentence = any(word.lower() in function_words for word in run)
    is_title = sum(word[0].isupper() for word in run) * 2 > len(run)
    if turn.in_action(start):
        return "error" if len(run) >= _ACTED_WORDS and not is_title else None
    least = _SENTENCE_WORDS if turn.has_hangul else _WHOLE_TURN_WORDS
    if len(run) >= least:
        return "error" if is_sentence and not is_title else "warning"
    return "warning" if len(run) >= least - 1 else None


def _without(text: str, known: frozenset[str]) -> str:
    """Blank out whitelisted words; same length."""
    if not known:
        return text
    pattern = _any_of(known)
    return pattern.sub(lambda match: "/" * len(match[0]), text) if pattern else text


@lru_cache(maxsize=64)
def _any_of(known: Iterable[str]) -> re.Pattern[str] | None:
    """Build a pattern of words; a character's whitelist is the same for every turn."""
    longest_first = sorted((word for word in known if word), key=len, reverse=True)
    if not longest_first:
        return None
    return re.compile("|".join(re.escape(word) for word in longest_first), re.IGNORECASE)
