"""Pictured emoji, told from text emoticons and from marks such as ♥ ★ ♪."""

import re

# Characters that are shown as a picture by default (Emoji_Presentation of Unicode 16), and ❤,
# which every phone shows as one. ♥ ♡ ★ ☆ ♪ ☀ and the like are text unless U+FE0F follows.
_PICTURES = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1"
    "\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705"
    "\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2764\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c"
    "\u2b50\u2b55\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a\U0001f1e6-\U0001f1ff"
    "\U0001f201\U0001f21a\U0001f22f\U0001f232-\U0001f236\U0001f238-\U0001f23a\U0001f250\U0001f251"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f90c-\U0001f9ff"
    "\U0001fa70-\U0001faff"
)
# Text by default, a picture with U+FE0F behind it; digits make keycaps.
_WITH_SELECTOR = "[\u00a9\u00ae\u203c-\u3299#*0-9]\ufe0f\u20e3?"

#: A run of pictured emoji, joined families, flags and skin tones included.
EMOJI = re.compile(rf"(?:(?:[{_PICTURES}]|{_WITH_SELECTOR})[\ufe0f\u200d\U0001f3fb-\U0001f3ff]*)+")

#: Laughter, tears and faces made of letters and marks.
EMOTICON = re.compile(
    r"[ㅋㅎ]{2,}|[ㅠㅜ]{2,}|\^[_ㅡ.oO]?\^;*|ㅡ[_.]?ㅡ;*|[:;]-?[)(DPp3](?![가-힣A-Za-z0-9])|[TㅠㅜQ;]_[TㅠㅜQ;]"
    r"|>[_.]?<|@[_.]@|ㅇ[_ㅅㅁ.]ㅇ|\([^\w\s가-힣]{2,10}\)|[♥♡]+"
)
