"""What was said, as HTML of our own; whatever people or models wrote is shown as they typed it."""

from __future__ import annotations

import html
from collections.abc import Sequence

from exagirl.chat.markup import as_html
from exagirl.chat.session import Said, Session
from exagirl.chat.web.words import Words

PAGE_TURNS = 100


def past_html(
    session: Session,
    words: Words,
    *,
    asked: str = "",
    shown: int = PAGE_TURNS,
    drop: int = 0,
    is_busy: bool = False,
) -> str:
    """The conversation so far.

    Args:
        session: The conversation.
        words: The page's words.
        asked: What is being said right now.
        shown: How many of the last turns are shown.
        drop: How many of the last turns are left out, because they are being drawn anew.
        is_busy: True while a reply comes.
    """
    turns = session.turns[: len(session.turns) - drop]
    first = max(0, len(turns) - shown)
    parts = []
    if first:
        parts.append(f'<button class="more" data-act="more">{words("more", count=first)}</button>')
    elif session.greeting():
        parts.append(_greeting(session, words, is_open=not session.turns))
    for at in range(first, len(turns)):
        is_last = at == len(session.turns) - 1
        parts.append(_turn(session, turns[at], at, words, is_last=is_last and not asked))
    if asked:
        parts.append(_bubble("user", as_html(asked)))
    elif turns and len(session.cast) > 1 and not is_busy:
        parts.append(_invitations(session.cast, words))
    return f'<div class="talk" role="log" aria-live="polite">{"".join(parts)}</div>'


def live_html(reply: str, words: Words, cast: Sequence[str] = (), speaker: str = "") -> str:
    """A reply that is still coming.

    Args:
        reply: What came so far.
        words: The page's words.
        cast: Who is in the room.
        speaker: Whose reply it is; shown where there are several.
    """
    inside = as_html(reply) if reply else f'<span class="dots" aria-label="{words("thinking")}">'
    inside += "" if reply else "<i></i><i></i><i></i></span>"
    label = _label(cast, speaker) if len(cast) > 1 else ""
    bubble = _bubble("assistant", inside, more=" coming", before=label)
    return f'<div class="talk">{bubble}</div>'


def notice_html(text: str, words: Words, *, can_retry: bool = False) -> str:
    """Something that the person should know, until it is closed."""
    if not text:
        return ""
    retry = f'<button data-act="retry">{words("retry")}</button>' if can_retry else ""
    return (
        f'<div class="notice" role="alert"><span>{as_html(text)}</span>{retry}'
        f'<button data-do="close" aria-label="{words("close")}">✕</button></div>'
    )


def _greeting(session: Session, words: Words, *, is_open: bool) -> str:
    count, at = len(session.greetings()), session.setting.greeting
    tools = ""
    if is_open and count > 1:
        tools = _swipes(
            words, at + 1, count, act="greeting", targets=((at - 1) % count, (at + 1) % count)
        )
    label = _label(session.cast, session.cast[0]) if len(session.cast) > 1 else ""
    return _bubble("assistant greeting", as_html(session.greeting()), tools, before=label)


def _invitations(cast: Sequence[str], words: Words) -> str:
    """A button for everybody who may speak next of their own accord."""
    buttons = [
        f'<button data-act="speak" data-text="{_plain(name)}"><i class="face face-{at}"></i>'
        f"{html.escape(words('let_speak', name=name))}</button>"
        for at, name in enumerate(cast)
    ]
    return f'<div class="invitations">{"".join(buttons)}</div>'


def _label(cast: Sequence[str], speaker: str) -> str:
    """Name and face of who speaks; the face is in the page's head, once for all turns."""
    face = f'<i class="face face-{cast.index(speaker)}"></i>' if speaker in cast else ""
    return f'<div class="speaker">{face}{_plain(speaker)}</div>'


def _turn(session: Session, turn: Said, at: int, words: Words, *, is_last: bool) -> str:
    tools = []
    if turn.versions > 1:
        before = at if turn.version > 1 else -1
        after = at if turn.version < turn.versions else -1
        tools.append(_swipes(words, turn.version, turn.versions, targets=(before, after)))
    if is_last and turn.role == "assistant":
        tools += [_act("regenerate", words), _act("continue", words)]
    if is_last and turn.role == "user":
        tools.append(_act("retry", words))
    tools.append(f'<button data-do="edit">{words("edit")}</button>')
    tools.append(f'<button data-do="delete" data-sure="{words("sure")}">{words("delete")}</button>')
    if turn.role == "assistant":
        tools.append(f'<button data-do="hear">{words("hear")}</button>')
    shown = as_html(turn.shown)
    if turn.is_cut:
        shown += f' <span class="cut" title="{words("cut")}">…</span>'
    speaker = _label(session.cast, turn.speaker) if turn.speaker else ""
    more = f'{" last" if is_last else ""}" data-turn="{at}" data-raw="{_plain(turn.raw)}'
    return _bubble(turn.role, shown, "".join(tools), more=more, before=speaker)


def _bubble(kind: str, inside: str, tools: str = "", *, more: str = "", before: str = "") -> str:
    tools = f'<div class="tools">{tools}</div>' if tools else ""
    return f'<div class="turn {kind}{more}">{before}<div class="bubble">{inside}</div>{tools}</div>'


def _act(name: str, words: Words) -> str:
    return f'<button data-act="{name}">{words(name)}</button>'


def _swipes(words: Words, now: int, count: int, *, targets: Sequence[int], act: str = "") -> str:
    """◀ 2/3 ▶; a target below 0 leads nowhere."""
    buttons = []
    for target, name, sign in zip(targets, ("earlier", "later"), "◀▶", strict=True):
        dead = " disabled" if target < 0 else ""
        buttons.append(
            f'<button data-act="{act or name}" data-turn="{target}" '
            f'aria-label="{words(name)}"{dead}>{sign}</button>'
        )
    return f'<span class="swipes">{buttons[0]}<b>{now}/{count}</b>{buttons[1]}</span>'


def _plain(text: str) -> str:
    return html.escape(text).replace("\n", "&#10;")
