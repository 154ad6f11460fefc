"""Text that looks like a model's own marks must stay text.

A tokenizer reads ``[|system|]`` in a message as the token that opens a system message, whoever
wrote it: a card, a lorebook, a person. A blank after the bracket takes that power away.
"""

from __future__ import annotations

import re
from functools import lru_cache

REMEMBERED = 4096

_MARK = re.compile(
    r"([\[<])(?="
    r"\|[^|\[\]<>\n]{1,40}\|[\]>]"
    r"|/?(?:start_of_turn|end_of_turn|bos|eos|pad|unk|mask|s|think|thought|tool_call)>"
    r"|/?(?:BOS|EOS|PAD|UNK|MASK|INST|CLS|SEP|gMASK)\]"
    r"|<SYS>>|</SYS>>"
    r")",
    re.IGNORECASE,
)
# The labels of `dataset/templates/plain.jinja`, which stand alone on a line.
_LABEL = re.compile(r"^([ \t]*\[)(?=(?:사용자|캐릭터)\][ \t]*$)", re.MULTILINE)


@lru_cache(maxsize=REMEMBERED)
def without_marks(text: str) -> str:
    """The text with a blank in whatever a model could take for the end or start of a message."""
    return _LABEL.sub(r"\1 ", _MARK.sub(r"\1 ", text))
