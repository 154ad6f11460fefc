"""How a name ends when it is read aloud: in a vowel, in ㄹ, or in another consonant.

Particles agree with sound, not with spelling: 민준이 but 엑사가, 7로 but 6으로, Tom이 but Mike가.
"""

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from importlib.resources import files

from exagirl.korean.syllables import final_of, is_syllable

# What stands behind a name without being read: brackets with their words, marks, emoji, laughter.
_BRACKETED = re.compile(r"[\s]*[(\[{（【〔][^()\[\]{}（）【】〔〕]*[)\]}）】〕]\s*$")
_LAUGHTER = re.compile("(?<=[가-힣])[ㅋㅎㅠㅜ]+$")
_READ = re.compile(r"[0-9A-Za-z가-힣ㄱ-ㅣ\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff%]")

_DIGIT_FINALS: dict[str, str] = dict(
    zip("0123456789", ("ㅇ", "ㄹ", "", "ㅁ", "", "", "ㄱ", "ㄹ", "ㄹ", ""), strict=True)
)
# 10 십, 100 백, 1000 천, 10⁴ to 10⁷ 만, 10⁸ to 10¹¹ 억, 10¹² to 10¹⁵ 조, then 경.
_ZERO_FINALS: tuple[str, ...] = (
    "",
    "ㅂ",
    "ㄱ",
    "ㄴ",
    *"ㄴㄴㄴㄴ",
    *"ㄱㄱㄱㄱ",
    "",
    "",
    "",
    "",
    "ㅇ",
)
_LETTER_FINALS = {"L": "ㄹ", "R": "ㄹ", "M": "ㅁ", "N": "ㄴ"}
_LONGEST_ABBREVIATION = 4

# English word ends, longest first; "" is a vowel, as in 마이크, 앨리스, 데이비드.
_WORD_ENDS: tuple[tuple[str, str], ...] = (
    (r"(?:ng|ngs?ue)", "ㅇ"),
    (r"(?:[^aeiou]le|[aeiouy]l|ll|ll?e|rl|l)", "ㄹ"),
    (r"(?:m|mb|mn|mm?e)", "ㅁ"),
    (r"(?:n|gn|nn?e|rn)", "ㄴ"),
    (r"(?:[aeiou]ck|(?<![aeiou])[aeiouy]c|oo?k|[aei]k)", "ㄱ"),
    (r"(?:(?<![aeiou])[aeiouy]pp?|oop)", "ㅂ"),
    (r"(?:(?<![aeiou])[ao]b)", "ㅂ"),
    (r"(?:(?<![aeiou])[aeiouy]tt?|oot)", "ㅅ"),
)
_SILENT_E = re.compile(r"[aeiouy][bcdfghjkprstvwxz]e$")
_ENGLISH = tuple((re.compile(ends + "$"), final) for ends, final in _WORD_ENDS)

#: Readings that differ from their place in KS X 1001.
_HANJA_EXCEPTIONS = {"金": "ㅁ", "寧": "ㅇ", "宅": "ㄱ", "不": "ㄹ", "諾": "ㄱ"}


def reading_final(name: str) -> str | None:
    """Give the final consonant that a name is read with.

    Digits are read as numbers (10 십, 7 칠), short capitals letter by letter (PC 피시), other Latin
    words as English (Tom 톰, Alice 앨리스), Hanja in Korean; what follows in brackets is not read,
    nor are marks and emoji.

    Returns:
        A jamo such as ``ㄹ``, ``""`` where the name ends in a vowel, None where nothing is read.
    """
    name = _LAUGHTER.sub("", unicodedata.normalize("NFC", name))
    while outside := _BRACKETED.sub("", name):
        if outside == name:
            break
        name = outside
    spoken = _READ.findall(name[-64:])
    return _final_of_end(name, spoken[-1]) if spoken else None


def _final_of_end(name: str, last: str) -> str:
    """Give the final consonant by the kind of the last character that is read."""
    if is_syllable(last):
        return final_of(last)
    if last in _DIGIT_FINALS:
        return _number_final(re.findall(r"[0-9][0-9,.]*", name)[-1])
    if last.isascii() and last.isalpha():
        return _latin_final(re.findall("[A-Za-z]+", name)[-1])
    if "ㄱ" <= last <= "ㅎ":
        return last
    if "\u3041" <= last <= "\u30ff":
        return "ㄴ" if last in "んン" else ""
    return _hanja_final(last) if ord(last) >= 0x3400 else ""


def _number_final(number: str) -> str:
    """Read a number: 2,000 이천, 3.14 삼점일사, 007 공공칠."""
    digits = number.rstrip(".,").replace(",", "")
    zeros = len(digits) - len(digits.rstrip("0"))
    is_spelled = "." in digits or digits[0] == "0"
    if zeros == 0 or is_spelled:
        return _DIGIT_FINALS[digits[-1]]
    return _ZERO_FINALS[min(zeros, len(_ZERO_FINALS) - 1)]


def _latin_final(word: str) -> str:
    """Read a Latin word: by its letters if it is an abbreviation, else as English."""
    is_spelled = word.isupper() and (
        len(word) <= _LONGEST_ABBREVIATION or not re.search("[AEIOUY]", word)
    )
    if is_spelled or len(word) == 1:
        return _LETTER_FINALS.get(word[-1].upper(), "")
    word = word.lower()
    if _SILENT_E.search(word):
        return ""
    return next((final for ends, final in _ENGLISH if ends.search(word)), "")


def _hanja_final(character: str) -> str:
    """Read a Hanja by its place in KS X 1001, which is ordered by reading."""
    if character in _HANJA_EXCEPTIONS:
        return _HANJA_EXCEPTIONS[character]
    try:
        place = unicodedata.normalize("NFC", character).encode("euc_kr")
    except UnicodeEncodeError:
        return ""
    places, finals = _hanja_table()
    return finals[bisect_right(places, place) - 1]


@lru_cache(maxsize=1)
def _hanja_table() -> tuple[list[bytes], list[str]]:
    """Read where each reading begins: the first Hanja of every reading, in order."""
    text = (files("exagirl.korean") / "hanja_readings.txt").read_text(encoding="utf-8")
    pairs = text.split()
    return [pair[1].encode("euc_kr") for pair in pairs], [final_of(pair[0]) for pair in pairs]
