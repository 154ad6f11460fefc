"""What the character has in mind: lorebook, memory, and how full the context is."""

from __future__ import annotations

import html
from collections.abc import Iterable

from exagirl.chat.lore import label_of
from exagirl.chat.web.state import Tab

MAX_LINES = 40
MAX_CHARS = 120


def inside_html(tab: Tab) -> str:
    """The drawer's look inside; what the last reply was drawn with is marked."""
    words, session = tab.words, tab.session
    prompt = session.last_prompt
    fired = set(prompt.lore) if prompt else set()
    recalled = set(prompt.recalled) if prompt else set()
    labels = [label_of(one) for who in tab.room for one in who.lorebook.entries if one.enabled]
    facts = [fact for memory in session.memories for fact in memory.facts]
    parts = [
        _list(words("lore"), labels, fired, words("lore_empty")),
        _list(words("memory"), facts, recalled, words("memory_empty")),
    ]
    if session.memory_fault:
        fault = words("memory_fault", error=session.memory_fault)
        parts.append(f'<p class="fault">{html.escape(fault)}</p>')
    if prompt:
        told = words("context", tokens=prompt.tokens, budget=prompt.budget)
        share = min(100, round(100 * prompt.tokens / max(1, prompt.budget)))
        parts.append(f'<p>{told}</p><div class="meter"><i style="width:{share}%"></i></div>')
    return f'<div class="inside">{"".join(parts)}</div>'


def _list(title: str, lines: Iterable[str], marked: set[str], empty: str) -> str:
    """Lines under a title, those in use first and marked."""
    ordered = sorted(dict.fromkeys(lines), key=lambda line: line not in marked)
    if not ordered:
        return f"<h4>{title}</h4><p>{empty}</p>"
    items = [
        f"<li{' class=now' if line in marked else ''}>{html.escape(_short(line))}</li>"
        for line in ordered[:MAX_LINES]
    ]
    more = f"<li>… +{len(ordered) - MAX_LINES}</li>" if len(ordered) > MAX_LINES else ""
    return f"<h4>{title}</h4><ul>{''.join(items)}{more}</ul>"


def _short(line: str) -> str:
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"
