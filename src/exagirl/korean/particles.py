"""Names with the right particle after them, in plain words and in templates.

A template is written once, for any name: ``{유저}가 왔어`` becomes 민준이 왔어 or 엑사가 왔어.
Which of a pair the template wrote does not matter, nor whether it wrote both: ``{유저}은(는)``.
"""

import re
from typing import NamedTuple

from exagirl.korean.normalise import normalise
from exagirl.korean.particle_pairs import (
    CALL,
    STATEMENT,
    Pair,
    pair_of,
    written_forms,
)
from exagirl.korean.reading import reading_final
from exagirl.korean.spoken import COPULA_BEFORE, PLACEHOLDER
from exagirl.korean.syllables import is_syllable
from exagirl.korean.words import words

_CLOSING_QUOTES = {"'": "'", '"': '"', "‘": "’", "“": "”", "「": "」", "『": "』", "[": "]"}
_PAST = re.compile(r"(?:이었|이였|였|\(이\)었|\(이\)였)[가-힣]{1,8}")
# As long as 이라던데요/라던데요.
_LONGEST_FORM = 12


class _Tail(NamedTuple):
    """A particle behind a placeholder."""

    pair: Pair | None
    """None for particles that never change, such as 도."""
    written: str
    end: int


def attach(name: str, particle: str, *, intimate: bool = False) -> str:
    """Write a name with the right form of a particle.

    Args:
        name: A name or any other word; what stands in brackets behind it is not read.
        particle: Either form of a pair or both: ``을``, ``를``, ``을/를``, ``을(를)``, ``(으)로``.
            ``야`` calls (지은아), ``이야`` states (지은이야). One that never changes is added as
            it is.
        intimate: Speak of the person as of a close friend: 지은이가, 지은이는, but 지은아.
    """
    pair = pair_of(particle)
    if pair is None:
        return _bare(name, particle, intimate=intimate) + particle
    return _joined(name, pair, particle, intimate=intimate)


def particle_after(word: str, particle: str) -> str:
    """Give the form of a particle that agrees with a word, without the word."""
    pair = pair_of(particle)
    return particle if pair is None else _form(word, pair, particle)


def fill_placeholders(
    text: str, user: str = "민준", character: str = "엑사", *, intimate: bool = False
) -> str:
    """Put names for ``{유저}``, ``{{char}}`` and the like, and the particles after them right.

    Args:
        text: A template. Words that merely begin like a particle stay: ``{{user}}가방``.
        user: The person's name.
        character: The character's name.
        intimate: As for ``attach``, for the user's name only.

    Returns:
        The text in normal form (NFC). A name that is not read at all, such as a lone emoji, leaves
        the particle as it was written.
    """
    text = normalise(text)
    if "{" not in text:
        return text
    user, character = normalise(user), normalise(character)
    pieces: list[str] = []
    at = 0
    for match in PLACEHOLDER.finditer(text):
        is_user = "유저" in match[0] or "user" in match[0].lower()
        name = user if is_user else character
        is_intimate = intimate and is_user
        pieces.append(text[at : match.start()])
        closing = _closing_quote(text, match)
        tail = _tail_at(text, match.end() + len(closing), match.start())
        at = tail.end
        if tail.pair is None:
            bare = _bare(name, tail.written, intimate=is_intimate and not closing)
            pieces += [bare, closing, tail.written]
        else:
            joined = _joined(name, tail.pair, tail.written, intimate=is_intimate and not closing)
            pieces.append(name + closing + joined[len(name) :] if closing else joined)
    return "".join([*pieces, text[at:]])


def _closing_quote(text: str, match: re.Match[str]) -> str:
    """Give the quote that closes right behind a placeholder: ``'{캐릭터}'라고``."""
    closing = _CLOSING_QUOTES.get(text[match.start() - 1 : match.start()], "")
    return closing if closing and text.startswith(closing, match.end()) else ""


def _tail_at(text: str, at: int, name_start: int) -> _Tail:
    """Read the particle at a place, the longest that fits; an empty tail where there is none."""
    past = _PAST.match(text, at)
    if past is not None:
        return _Tail(pair_of(past[0]), past[0], past.end())
    for length in range(_LONGEST_FORM, 0, -1):
        form = text[at : at + length]
        pair = written_forms().get(form)
        is_known = pair is not None or form in words("invariant")
        if len(form) < length or not is_known or not _ends(text, at + length, pair):
            continue
        if pair is CALL and COPULA_BEFORE.search(text[max(0, name_start - 12) : name_start]):
            pair = STATEMENT
        return _Tail(pair, form, at + length)
    return _Tail(None, "", at)


def _ends(text: str, at: int, pair: Pair | None) -> bool:
    """Tell whether a word ends at a place, but for what may follow the pair."""
    if not is_syllable(text[at : at + 1] or " "):
        return True
    followers = pair.followers if pair else ""
    return bool(followers and re.compile(rf"(?:{followers})(?![가-힣])").match(text, at))


def _bare(name: str, tail: str, *, intimate: bool) -> str:
    """Give a name before a particle that never changes: 지은도, or between friends 지은이도."""
    return _friendly(name) if intimate and tail else name


def _joined(name: str, pair: Pair, written: str, *, intimate: bool) -> str:
    """Give a name with its form of a pair."""
    if intimate and pair is not CALL:
        name = _friendly(name)
    return name + _form(name, pair, written)


def _form(name: str, pair: Pair, written: str) -> str:
    """Choose the form that agrees with a name; what was written where the name is not read."""
    final = reading_final(name)
    if final is None:
        return written
    takes_vowel_form = final == "" or (final == "ㄹ" and pair.treats_rieul_as_vowel)
    return pair.after_vowel if takes_vowel_form else pair.after_consonant


def _friendly(name: str) -> str:
    """Add -이 to a Hangul name that ends in a consonant: 지은이."""
    is_hangul = bool(name) and is_syllable(name[-1])
    return name + "이" if is_hangul and reading_final(name) else name
