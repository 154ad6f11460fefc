"""Arithmetic of Hangul syllables: is there a final consonant, and which."""

FIRST_SYLLABLE = 0xAC00
LAST_SYLLABLE = 0xD7A3
_FINALS = 28
_VOWELS = 21

#: The 27 final consonants in Unicode's order; index 0 is "no final consonant".
FINALS: tuple[str, ...] = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
#: The 21 vowels in Unicode's order.
VOWELS: tuple[str, ...] = tuple("ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ")


def is_syllable(character: str) -> bool:
    """Tell whether a character is one of the 11,172 composed Hangul syllables."""
    return FIRST_SYLLABLE <= ord(character) <= LAST_SYLLABLE


def final_of(syllable: str) -> str:
    """Give the final consonant of a syllable as a jamo such as ``ㄹ``, or ``""`` for none.

    Args:
        syllable: One composed Hangul syllable.
    """
    return FINALS[(ord(syllable) - FIRST_SYLLABLE) % _FINALS]


def vowel_of(syllable: str) -> str:
    """Give the vowel of a syllable as a jamo such as ``ㅏ``."""
    return VOWELS[(ord(syllable) - FIRST_SYLLABLE) // _FINALS % _VOWELS]


def syllables_ending_in(finals: str) -> str:
    """List every syllable with one of the final consonants, for a regex class.

    Args:
        finals: Jamo such as ``"ㅆ"``; ``""`` lists the syllables without a final consonant.
    """
    wanted = {FINALS.index(final) for final in finals} if finals else {0}
    return "".join(
        chr(code)
        for code in range(FIRST_SYLLABLE, LAST_SYLLABLE + 1)
        if (code - FIRST_SYLLABLE) % _FINALS in wanted
    )
