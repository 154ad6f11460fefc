"""Endings that need no analysis: what a word's last syllables say about its speech level.

Every pattern here is one that we hold to be certain. A word that matches none is left to an
``Analyser``. The lists of nouns are what keeps 필요, 담요 or 빨래 from being read as endings.
"""

import re
from typing import Literal, NamedTuple

from exagirl.korean.syllables import FINALS, final_of, syllables_ending_in, vowel_of
from exagirl.korean.words import words

SpeechLevel = Literal["banmal", "polite", "none"]


class Verdict(NamedTuple):
    """A level and the letters that decided it."""

    level: SpeechLevel
    ending: str


NOTHING = Verdict("none", "")

_SS = f"[{syllables_ending_in('ㅆ')}]"
_L = f"[{syllables_ending_in('ㄹ')}]"
_B = f"[{syllables_ending_in('ㅂㅄ')}]"
_M = f"[{syllables_ending_in('ㅁ')}]"
_OPEN_BEFORE_SLANG = "어아해세에예지네데까고구래대게나가와워여려줘돼봐셔져쳐켜죠든요파퍼뻐빠"

# ------------------------------------------------------------------------------------ slang

# 했어용, 안녕하세염, 뭐해여, 네욤: the polite 요 in a playful spelling.
_SLANG_YO = re.compile(
    rf"(?:(?<=[{_OPEN_BEFORE_SLANG}])[용욤욥]|(?<=[어아해세에네데까와워려여져줘돼봐파퍼])염"
    rf"|(?<=[어해세네까와워려에예죠게래줘돼봐])여|(?<=[대데지고구])(?<=..)(?<!참여)여|(?<=[하오가시]세)영)$"
)
# 박지용, 최세용: a family name before what would be an ending.
_SLANG_NAMES = re.compile(
    "^[김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노]?[지세재][용영]$"
)
_SLANG_DA = re.compile(r"(?<=니)[당닷돠]$|(?<=[슴임함됨])[돠당]$")
_SLANG_JYO = re.compile("죵$|죱$")
# 그렇군욬ㅋㅋ, 귀엽넼ㅋ: laughter runs into the last syllable. Kitchens and dawns keep their ㅋ.
_LAUGHING = frozenset(syllables_ending_in("ㅋ")) - frozenset("엌녘")
# 안녕하세요오오, 사랑해애애, 빨리이이: a vowel drawn out at the end of a word.
_DRAWN_OUT = re.compile("(?<=[가-힣])(?:아+|애+|어+|에+|오+|우+|으+|이+)$")
_ECHO = dict(
    zip("ㅏㅑㅘㅓㅕㅝㅗㅛㅐㅒㅔㅖㅜㅠㅡㅣ", "아아아어어어오오애애에에우우으이", strict=True)
)
# One echo is enough after an ending (해애, 네에); elsewhere it takes two (보오 may be a verb).
_DRAWN_ENDINGS = frozenset("요해네지야다게래까죠데")


def plain_word(word: str) -> str:
    """Write a playful or drawn-out word end the plain way: 했어용 → 했어요, 해애애 → 해."""
    if word[-1] in _LAUGHING:
        word = word[:-1] + chr(ord(word[-1]) - FINALS.index("ㅋ"))
    word = _without_echo(word)
    if (
        word[-1] in "용염욤욥여영"
        and word not in words("slang_nouns")
        and not _SLANG_NAMES.match(word)
    ):
        return _SLANG_YO.sub("요", word)
    if word[-1] in "당닷돠":
        return _SLANG_DA.sub("다", word)
    return _SLANG_JYO.sub("죠", word) if word[-1] in "죵죱" else word


def _without_echo(word: str) -> str:
    """Cut a vowel that is drawn out: 해애애 → 해, 좋아아아 → 좋아."""
    match = _DRAWN_OUT.search(word)
    if match is None:
        return word
    start = match.start()
    echo, before = match[0], word[start - 1]
    if _ECHO.get(vowel_of(before)) != echo[0] or final_of(before):
        # 좋아아아: the first 아 is the ending itself.
        return word[: start + 1] if len(echo) > 2 else word
    return word[:start] if len(echo) > 1 or before in _DRAWN_ENDINGS else word


# ------------------------------------------------------------------------------------ polite

#: Nouns and verb forms at once: 옛 가요 / 먼저 가요, 밤의 고요 / (먹)고요, 하지 마요 / 참치 마요.
AMBIGUOUS_YO = frozenset(("가요", "고요", "마요", "조요"))

_POLITE = re.compile(
    rf"(?:{_B}니다만?|{_B}니까|{_B}시다|{_M}니다|[가-힣]시오|[하으시주옵오지리켜마]소서|[가-힣](?<!죠)죠만?|그쵸|맞쵸"
    r"|[가-힣]쥬|슴다|임다|함다|됨다|겠슴|(?:[어아해와세려워네]|구만|구먼)유|[가-힣]요)$"
)
_POLITE_ANSWER = re.compile(
    r"^(?:네+[엡엠]?|넵+|넹+|넴|녜+|옙+|예+|넵넵|넹넹|아뇨|아니요|아니오|그럼요|글쎄요|저기요)$"
)
_ALWAYS_POLITE_ANSWER = re.compile(r"^(?:넵+|넹+|넴|녜|옙+|네엡|아뇨|네네+)$")


def polite_ending(word: str) -> str:
    """Give the polite ending of a plain word, or ``""`` where there is none for certain."""
    match = _POLITE.search(word)
    if match is None or _is_noun(word):
        return ""
    return match[0]


def _is_noun(word: str) -> bool:
    """Tell whether a word that ends like 요 is a noun, or may be one."""
    return word in words("yo_nouns") or word in AMBIGUOUS_YO or word in words("polite_lookalikes")


# ------------------------------------------------------------------------------------ banmal

_BANMAL_TAILS = "|".join(
    (
        rf"{_SS}(?:어|다|네|지|니|냐|나|구나|군|거든|잖아|는데|던데|을까|을걸|더라|더라고|대|대매|다고|다니|다며|"
        r"으니까|지롱|거덩|단다|노|지만|으면서|어야지|구만|는걸|을게|을래|어라)",
        rf"{_L}(?:게|까|걸|껄|께|거야|테니까|지도|테다)",
        r"(?:할|볼|줄|올|살|잘|마실|만날|들을|먹을|앉을|탈|쓸|일어날|나갈|사귈|알려\s줄)래|\b갈래",
        "[거뭐]야|아니야|어디야|누구야|언제야|최고야|때문이야|[가-힣]뿐이야|모양이야|[가-힣]{2,}이야",
        "잖아|자나|거든|거덩|구나|더라|던데|는데|인데|건데|한데|을까|을래|을게|을걸|는걸|인걸|구만|지롱",
        "(?:싶|좋|많|없|않|맞|괜찮|같|귀엽|춥|덥|예쁘|힘들|재밌|맛있|멋있|멋지|고맙|하|신기하|대단하)다",
        "[는]다|[한온된]다|[가-힣]한다",
        "(?:싶|좋|많|않|괜찮|같|알|몰라|맞|작)(?:아)|(?:싫|없|있|재미없|맛없)어",
        "(?:고마|반가|귀여|무서|추|더|아쉬|그리|부러|어려|즐거|외로|가벼|무거|뜨거|차가|새로|두려|사랑스러)워",
        "(?:사랑|미안|좋아|싫어|생각|말|부탁|걱정|궁금|행복|심심|피곤|중요|필요|못|잘|뭐|그만|시작|약속|축하|"
        "감사|기억|이해|열심히|조심|착|솔직|당연|이상|신기|답답|속상|서운|억울|불안|편|든든|대단|따뜻|시원|"
        "완벽|충분|유명|가능|똑똑|귀찮아|부러워|무서워|그리워|보고싶어|안|다행|그렇게|공부|요리|운동|노력|응원|"
        "추천|도착|출발|연락|전화)해",
        r"\b(?:가|하|보|먹|놀|자|나가|걷|쉬|만나|해보|떠나|기다리|마시|그러|말)자",
        r"(?:그렇|맞|좋|하|없|있|싶|않|같|겠|야|말이|것이|먹|뭐|괜찮|아니|많|그러)지|그치|\b거지",
        r"해라|\b(?:가거|오너|하거|잘자|보아|잊지마)라",
        "(?:하|좋|같|없|있|많|맞|싶|않|예쁘|귀엽|멋지|웃기|그렇|그러|고맙|재밌|맛있)네",
        "[가-힣](?:줘|돼)|(?:해|가|와|먹어|들어|봐|어|아|여|려|켜|져)봐",
        "[가-힣]려고|더라고|다니까|라니까|자니까|[가-힣]다며|라며|다면서|[가-힣]냐고|[가-힣]다고",
        "(?:하|있|없|먹|가|오|보|자|그러|아니|뭐|이|되|좋)냐",
        r"(?:있|없|먹|괜찮|좋|알|맞|많|싶)니|\b(?:가|오|보|자|뭐하|어떠)니",
        "(?:배고|아)파|슬퍼|기뻐|바빠|예뻐|나빠|힘들어|만들어|졸려|놀라워",
        # Baby talk and dialect.
        "시퍼떠?|[가-힣]쪄|[아어해와]떠|[어거해]또|조아해?|시러|싫오|뭐람|온나|[가-힣]{2,}지롱",
        r"괜찮아|궁금해|어때|\b(?:몰라|달라|빨라|골라|그래|이래|저래|그랬대)",
    )
)
_BANMAL = re.compile(rf"(?:{_BANMAL_TAILS})$")
_BANMAL_ANSWER = re.compile(r"^(?:응+|웅+|엉+|으응|응응|안녕|미안|그래그래|고마웡|안뇽)$")

# 가용 is a noun too, so it takes its neighbours to tell.
GOING = re.compile(r"(?:먼저|이만|같이|이제|그만|저는?|지금|[에로]|안|못|빨리)\s+가용$")

#: Banmal endings that close a sentence even with words right behind them.
_CLOSING = re.compile(
    rf"(?:{_SS}(?:어|네|지|니|냐|구나|거든|잖아|을걸|더라|대|지롱)|{_L}(?:게|래|까)|잖아|거든|구나"
    rf"|[거뭐]야|아니야|고마워|미안해|사랑해|괜찮아|몰라|싶다|{_SS}다"
    rf"|{_B}니다|{_B}니까|[어아세에예네데까래대게군와워여려져죠지]요|[가-힣]죠)"
    r"(?=[\s,]{1,8}[가-힣])"
)

# ------------------------------------------------------------------------------------ neither

_PARTICLE_ENDS = re.compile("(?:[가-힣](?:을|를|의|에서|에게|한테|까지|부터|처럼|이랑|마다|조차))$")
_TRAILING_CALL = re.compile(
    r"(?:[\s,]{1,4}(?:오빠|언니|누나|형|엄마|아빠|자기야?|여보|선생님|주인님|아가씨|도련님|공주님?|왕자님?|친구야|"
    r"얘들아|애들아|여러분|얘|야|뭐|임마|인마|바보야?|힝|흑|헤헤|히히|흥|잉|엥|앙|진짜|정말|[가-힣]{1,4}님|"
    r"[가-힣]{2,4}\s?씨)){1,4}$"
)
_CALLS_CHARS = 48


def without_calls(clause: str) -> str:
    """Leave out whom a clause calls at its end: ``보고 싶었어 오빠`` → ``보고 싶었어``."""
    edge = max(0, len(clause) - _CALLS_CHARS)
    return clause[:edge] + _TRAILING_CALL.sub("", clause[edge:])


def certain(word: str, *, alone: bool) -> Verdict | None:
    """Judge a clause by its last word, where that is certain.

    Args:
        word: The last Hangul word.
        alone: Whether it is the only one, so that it may be an answer or a cry.

    Returns:
        None where it takes an analysis to tell.
    """
    plain = plain_word(word)
    if ending := polite_ending(plain):
        return Verdict("polite", ending if plain == word else word[-len(ending) :])
    if alone and (verdict := _answer(plain)):
        return verdict
    if word in words("yo_nouns"):
        return NOTHING
    if word in words("interjections"):
        return NOTHING if alone else None
    if plain not in words("banmal_lookalikes") and (match := _BANMAL.search(plain)):
        return Verdict("banmal", match[0])
    return NOTHING if _PARTICLE_ENDS.search(word) and len(word) > 2 else None


def _answer(word: str) -> Verdict | None:
    """Judge a word that stands alone: 네, 넵, 응, 안녕."""
    if _POLITE_ANSWER.match(word):
        return Verdict("polite", word)
    return Verdict("banmal", word) if _BANMAL_ANSWER.match(word) else None


# What a polite word may end in, playful and drawn-out ends included: most words do not.
_POLITE_LAST = (
    frozenset("요죠다까쥬쵸유용염욤욥여영당닷돠죵죱오서슴네넵넹넴녜옙예뇨만아애어에우으이엠엡")
    | _LAUGHING
)


def polite_word(word: str, *, comma: bool) -> str:
    """Give the polite ending of a word inside a clause, or ``""``.

    Args:
        word: The word.
        comma: Whether a comma follows; ``네,`` is an answer, ``네 손`` is not.
    """
    if word[-1] not in _POLITE_LAST:
        return ""
    if _ALWAYS_POLITE_ANSWER.match(word) or (comma and _POLITE_ANSWER.match(word)):
        return word
    return polite_ending(plain_word(word))


def closings(clause: str) -> list[int]:
    """Give the places inside a clause where a sentence ends without a mark."""
    return [match.end() for match in _CLOSING.finditer(clause)]
