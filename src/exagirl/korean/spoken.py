"""What a turn says aloud, as a text of the same length.

Actions, quotations, titles, code and addresses become blanks and placeholders become plain names,
so that a place in the spoken text is the same place in the turn.
"""

import re

from exagirl.korean.actions import action_spans

#: ``{유저}`` ``{{user}}`` ``{캐릭터}`` ``{{char}}``, blanks inside allowed.
PLACEHOLDER = re.compile(
    r"\{\{\s{0,4}(?:user|char)\s{0,4}\}\}|\{\s{0,4}(?:유저|캐릭터)\s{0,4}\}", re.IGNORECASE
)

# Each alternative is bounded and cannot match a newline, so that the scan stays linear.
_MASKED = re.compile(
    r"```[^`]{0,4000}```"
    r"|`[^`\n]{1,300}`"
    r"|(?:https?://|www\.)[^\s<>\"'”’)\]]{1,500}"
    r'|"[^"\n]{1,300}"|“[^”\n]{1,300}”|‘[^’\n]{1,300}’'
    r"|(?<![A-Za-z0-9])'[^'\n]{1,300}'(?![A-Za-z])"
    r"|「[^」\n]{1,300}」|『[^』\n]{1,300}』|《[^》\n]{1,300}》|〈[^〉\n]{1,300}〉"
    r"|\((?:[^()\n]{0,60}(?:다|며|면서|채|듯|웃음|한숨|미소)[.!?…~ ]{0,3})\)"
)
_TRIGGERS = re.compile(r"[`\"“‘'「『《〈(]|://|www\.")

# ``나는 {캐릭터}야`` names itself; ``안녕, {유저}야`` calls.
COPULA_BEFORE = re.compile(
    r"(?:^|[\s,.!?~…])(?:난|나|나는|넌|너|너는|내가|네가|나도|너도|저는|바로|이름은|이름이|역시|이게|그게|"
    r"[가-힣]{1,6}(?:은|는|건))\s*$"
)
_CALL_TAIL = re.compile(r"(?:아|야)(?![가-힣])")
_VOWEL_TAILS = frozenset("야가는를와랑로예고지라나네다였")


def spoken_text(text: str, actions: list[tuple[int, int]] | None = None) -> str:
    """Blank out what is not said aloud; same length, same places.

    A quotation with Hangul right behind it (``"가자"라고``) leaves ``것`` in its last place, so
    that what follows still has something to lean on.

    Args:
        text: A turn in normal form.
        actions: Its actions' spans, where they are known already.
    """
    spans = action_spans(text) if actions is None else actions
    if spans:
        text = _blank(text, spans)
    if _TRIGGERS.search(text):
        text = _MASKED.sub(_stand_in, text)
    if "{" in text:
        text = _name_placeholders(text)
    return text


def mentions_blanked(text: str) -> str:
    """Blank out quotations, code, addresses and placeholders, but not actions; same length."""
    if _TRIGGERS.search(text):
        text = _MASKED.sub(_blanks, text)
    return PLACEHOLDER.sub(_blanks, text) if "{" in text else text


def _blanks(match: re.Match[str]) -> str:
    """Give as many places as a match; a mark that no text holds, so that they differ from it."""
    return "\x00" * len(match[0])


def _blank(text: str, spans: list[tuple[int, int]]) -> str:
    """Put blanks over spans; a newline where an action ends a line of talk."""
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += [text[at:start], "\n", " " * (end - start - 1)]
        at = end
    return "".join([*pieces, text[at:]])


def _stand_in(match: re.Match[str]) -> str:
    """Give blanks of a quotation's length, with something for a particle to lean on."""
    width = match.end() - match.start()
    after = match.string[match.end() : match.end() + 1]
    if "가" <= after <= "힣" and match[0][0] not in "`(hw":
        return " " * (width - 1) + "것"
    return " " * width


def _name_placeholders(text: str) -> str:
    """Write a name of the same width for every placeholder; leave out calls such as {유저}야."""
    pieces: list[str] = []
    at = 0
    for match in PLACEHOLDER.finditer(text):
        if match.start() < at:
            continue
        pieces.append(text[at : match.start()])
        at = match.end()
        width = match.end() - match.start()
        call = _CALL_TAIL.match(text, at)
        before = text[max(0, match.start() - 12) : match.start()]
        if call is None:
            name = "수아" if text[at : at + 1] in _VOWEL_TAILS else "민준"
            pieces.append(" " * (width - 2) + name)
        elif COPULA_BEFORE.search(before):
            pieces.append(" " * (width - 1) + "거야")
            at += 1
        else:
            pieces.append(" " * width + "\n")
            at += 1
    return "".join([*pieces, text[at:]])
