"""What a person should look at in a character that is valid as a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from exagirl.korean.actions import action_spans
from exagirl.korean.check import check_turn
from exagirl.korean.speech import sentence_levels
from exagirl.korean.spoken import mentions_blanked
from exagirl.persona.lore import search_words
from exagirl.persona.macros import misspelled
from exagirl.persona.profile import Character
from exagirl.persona.system_prompt import estimate_tokens, render_system_prompt
from exagirl.record import Record

LONG_PROMPT_TOKENS = 2000
FEW_SAMPLES = 3
_NEVER = "않|말 것|마라|말아|금지|없이|말고|안 쓴"
_NAMES = {"banmal": "반말", "polite": "존댓말"}


class LintFinding(Record):
    """One thing to look at."""

    code: str
    path: str
    """The key path, such as ``speech.samples[2]``."""
    message: str
    """A Korean sentence: what is wrong and what to do."""


def lint(character: Character) -> list[LintFinding]:
    """Find contradictions and slips in a character; none for one that is ready."""
    return [finding for check in CHECKS for finding in check(character)]


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the record with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, tuple):
        for position, item in enumerate(value):
            yield from _texts(item, f"{path}[{position}]")
    elif isinstance(value, Record):
        for name in type(value).model_fields:
            if name not in ("foreign", "extra"):
                yield from _texts(getattr(value, name), f"{path}.{name}".lstrip("."))


def _placeholders(character: Character) -> Iterator[LintFinding]:
    for path, text in _texts(character):
        for written in misspelled(text):
            yield LintFinding(
                code="placeholder.misspelled",
                path=path,
                message=f"'{written}'은(는) 채워지지 않습니다. {{유저}} 또는 {{캐릭터}}로 쓰세요.",
            )


def _said(character: Character) -> Iterator[tuple[str, str]]:
    """Every line that the character says."""
    yield from _texts(character.speech.samples, "speech.samples")
    yield from _texts(character.greetings, "greetings")
    for n, dialogue in enumerate(character.examples):
        for m, line in enumerate(dialogue):
            if line.role == "assistant":
                yield f"examples[{n}][{m}].content", line.content


def _turns(character: Character) -> Iterator[LintFinding]:
    """What `korean.check` finds in the character's own lines.

    A sentence with one of the character's own endings is in its level, whatever that is.
    """
    speech, rules = character.speech, character.check_rules()
    for path, text in _said(character):
        for finding in check_turn(text, rules):
            sentence = text[finding.start : finding.end]
            is_level = finding.code.startswith("speech.")
            is_grave = finding.severity == "error" or finding.code == "script.emoticon"
            if not is_grave or (is_level and speech.ends_as_declared(sentence)):
                continue
            code = "speech.level" if is_level else finding.code
            yield LintFinding(code=code, path=path, message=f"{finding.message} ({_short(text)})")


def _endings(character: Character) -> Iterator[LintFinding]:
    if not character.speech.forbidden_endings:
        return
    for path, text in _said(character):
        for sentence in sentence_levels(text):
            if character.speech.ends_as_forbidden(sentence.text):
                yield LintFinding(
                    code="speech.forbidden_ending",
                    path=path,
                    message=(
                        f"'{_short(sentence.text)}': speech.forbidden_endings에 있는 끝말입니다. "
                        "고쳐 쓰세요."
                    ),
                )


def _rules(character: Character) -> Iterator[LintFinding]:
    """Rules, habits and switches that contradict one another."""
    told = [
        *_texts(character.rules, "rules"),
        *_texts(character.speech.habits, "speech.habits"),
        *_texts(character.personality, "personality"),
    ]
    for word, other, is_allowed in (
        ("이모지", "글자 이모티콘", character.emoji == "allow"),
        ("이모티콘", "그림 이모티콘", character.emoticons == "allow"),
    ):
        wanted = [path for path, text in told if _asks(text, word, other)]
        banned = [path for path, text in told if _bans(text, word, other)]
        field = "emoji" if word == "이모지" else "emoticons"
        if wanted and banned:
            yield LintFinding(
                code="rules.contradiction",
                path=banned[0],
                message=(
                    f"{word}를 쓰지 말라고 하면서 {wanted[0]}에서는 쓰라고 합니다. 하나만 남기세요."
                ).replace("이모티콘를", "이모티콘을"),
            )
        if (wanted and not is_allowed) or (banned and is_allowed and field == "emoji"):
            place = (wanted or banned)[0]
            yield LintFinding(
                code=f"rules.{field}",
                path=place,
                message=f"{field}: {getattr(character, field)}와(과) 어긋납니다. 하나를 고치세요.",
            )
    yield from _level_rules(character, told)


def _asks(text: str, word: str, other: str) -> bool:
    return word in text.replace(other, "") and not re.search(_NEVER, text)


def _bans(text: str, word: str, other: str) -> bool:
    return word in text.replace(other, "") and bool(re.search(f"{word}.{{0,20}}({_NEVER})", text))


def _level_rules(character: Character, told: list[tuple[str, str]]) -> Iterator[LintFinding]:
    right = _NAMES[character.speech.level]
    wrong = {"반말": "존댓말", "존댓말": "반말"}[right]
    for path, text in told:
        asks = re.search(f"{wrong}(?:로만|로 말|만 쓴|을 쓴|로 답)", text)
        if asks and right not in text and not re.search(_NEVER, text):
            yield LintFinding(
                code="rules.level",
                path=path,
                message=(f"{wrong}을 쓰라고 하지만 speech.level은 {right}입니다. 하나를 고치세요."),
            )


def _facts(character: Character) -> Iterator[LintFinding]:
    """Facts against themselves and against the example dialogues."""
    for n, fact in enumerate(character.facts):
        both = set(fact.answers) & set(fact.contradictions)
        if both:
            yield LintFinding(
                code="facts.both",
                path=f"facts[{n}]",
                message=f"'{min(both)}'이(가) answers와 contradictions에 다 있습니다.",
            )
        for path, question, reply in _asked(character):
            if _bare(question) != _bare(fact.question):
                continue
            spoken = mentions_blanked(reply)
            denied = [word for word in fact.contradictions if word and word in spoken]
            if denied and not any(answer in spoken for answer in fact.answers):
                yield LintFinding(
                    code="facts.contradicted",
                    path=path,
                    message=f"facts[{n}]과 다른 답입니다('{denied[0]}'). 하나를 고치세요.",
                )


def _asked(character: Character) -> Iterator[tuple[str, str, str]]:
    """Every question of the example dialogues with its reply."""
    for n, dialogue in enumerate(character.examples):
        for m, (before, line) in enumerate(pairwise(dialogue)):
            if before.role == "user" and line.role == "assistant":
                yield f"examples[{n}][{m + 1}].content", before.content, line.content


def _bare(text: str) -> str:
    return re.sub(r"[^\w가-힣]", "", text)


def _actions(character: Character) -> Iterator[LintFinding]:
    lines = [text for path, text in _said(character) if not path.startswith("speech")]
    if len(lines) < FEW_SAMPLES:
        return
    slack = 1 / len(lines)
    share = sum(bool(action_spans(text)) for text in lines) / len(lines)
    actions = character.actions
    if not actions.min_share - slack <= share <= actions.max_share + slack:
        yield LintFinding(
            code="actions.share",
            path="actions",
            message=(
                f"첫인사와 보기 대화의 {share:.0%}에 *행동*이 있습니다. 범위는 "
                f"{actions.min_share:.0%}–{actions.max_share:.0%}입니다."
            ),
        )


def _lorebook(character: Character) -> Iterator[LintFinding]:
    for n, entry in enumerate(character.lorebook.entries):
        path = f"lorebook.entries[{n}]"
        words = search_words(entry.keys, is_regex=entry.use_regex)
        if not entry.text:
            yield LintFinding(code="lorebook.empty", path=path, message="내용이 없습니다.")
        if not words and not entry.constant and entry.enabled:
            why = "정규식 키는 실행하지 않으므로" if entry.use_regex else "키가 없어"
            yield LintFinding(
                code="lorebook.unreachable",
                path=f"{path}.keys",
                message=f"{why} 떠올릴 수 없습니다. 낱말 키를 적거나 constant: true로 하세요.",
            )
        if estimate_tokens(entry.text) > character.lorebook.budget_tokens:
            yield LintFinding(
                code="lorebook.budget",
                path=path,
                message="budget_tokens보다 길어 쓰이지 않습니다. 줄이거나 한도를 늘리세요.",
            )


def _missing(character: Character) -> Iterator[LintFinding]:
    """What every stage wants to have."""
    for path in character.inferred:
        yield LintFinding(
            code="inferred",
            path=path,
            message="카드에 없어 짐작한 값입니다. 맞으면 inferred에서 지우세요.",
        )
    if not character.greetings:
        yield LintFinding(code="greetings.missing", path="greetings", message="첫인사가 없습니다.")
    if len(character.speech.samples) < FEW_SAMPLES:
        yield LintFinding(
            code="samples.few",
            path="speech.samples",
            message=f"말의 보기가 {len(character.speech.samples)}개입니다. 세 개는 적어 주세요.",
        )
    tokens = estimate_tokens(render_system_prompt(character))
    if tokens > LONG_PROMPT_TOKENS:
        yield LintFinding(
            code="prompt.long",
            path="description",
            message=(
                f"시스템 프롬프트가 약 {tokens:,}토큰입니다. {LONG_PROMPT_TOKENS:,}토큰보다 짧아야 "
                "대화가 들어갈 자리가 남습니다."
            ),
        )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"


CHECKS: tuple[Callable[[Character], Iterator[LintFinding]], ...] = (
    *(_missing, _placeholders, _turns, _endings, _rules, _facts, _actions, _lorebook),
)
