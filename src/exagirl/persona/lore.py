"""What the lorebook brings to mind for the last lines of a talk."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from exagirl.persona.parts import Lorebook, LoreEntry
from exagirl.persona.system_prompt import estimate_tokens

# A "regular expression" that is nothing but words with bars between them.
_WORDS_ONLY = re.compile(r"/?([\w\s가-힣|-]{1,400})(?:/[a-z]{0,6})?")


def recall(
    lorebook: Lorebook,
    lines: Sequence[str],
    *,
    count: Callable[[str], int] = estimate_tokens,
) -> list[LoreEntry]:
    """Choose the entries for a talk, in their order, within the budget.

    A key is found anywhere in the text, so that particles do not matter: 용 in 용이랑. When the
    budget is short, entries that are always known come before all others. Regular expressions are
    never run; one that consists of words is searched as words.

    Args:
        lorebook: Where to look.
        lines: What was said, oldest first; the last ``scan_depth`` count.
        count: Counts the tokens of a text.
    """
    said = "\n".join(lines[-lorebook.scan_depth :] if lorebook.scan_depth else ()).casefold()
    found = [entry for entry in lorebook.entries if _is_meant(entry, said)]
    kept: list[LoreEntry] = []
    left = lorebook.budget_tokens
    for entry in sorted(found, key=lambda entry: (not entry.constant, entry.order)):
        cost = count(entry.text)
        if cost <= left:
            kept.append(entry)
            left -= cost
    return sorted(kept, key=lambda entry: entry.order)


def _is_meant(entry: LoreEntry, said: str) -> bool:
    if not entry.enabled or not entry.text:
        return False
    if entry.constant:
        return True
    if not _any_in(search_words(entry.keys, is_regex=entry.use_regex), said):
        return False
    second = search_words(entry.secondary_keys, is_regex=entry.use_regex)
    return not entry.secondary_keys or _any_in(second, said)


def search_words(keys: Sequence[str], *, is_regex: bool) -> list[str]:
    """The words to look for; those of a regular expression only where it is words and bars."""
    if not is_regex:
        return [word for key in keys if (word := key.strip().casefold())]
    plain = [match[1] for key in keys if (match := _WORDS_ONLY.fullmatch(key))]
    return [word for part in "|".join(plain).split("|") if (word := part.strip().casefold())]


def _any_in(words: list[str], said: str) -> bool:
    return any(word in said for word in words)
