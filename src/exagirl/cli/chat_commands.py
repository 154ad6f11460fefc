"""What a line that begins with a slash does, by a Korean and an English name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from exagirl.chat.faults import ChatError
from exagirl.cli.chat_show import print_chats, print_prompt, print_turns, print_who
from exagirl.cli.chat_talk import Talk
from exagirl.errors import ArtifactError

SHOWN_TURNS = 20


class Command(NamedTuple):
    """One command."""

    names: tuple[str, ...]
    """Without the slash; the Korean one first."""
    takes: str
    """What may stand behind it."""
    does: str
    run: Callable[[Talk, str], None]


def find(name: str) -> Command | None:
    """The command of a name."""
    wanted = name.casefold()
    return next((one for one in COMMANDS if wanted in one.names), None)


def names() -> list[str]:
    """All names with their slash, for Tab."""
    return [f"/{name}" for one in COMMANDS for name in one.names]


def _again(talk: Talk, _: str) -> None:
    talk.again()


def _next(talk: Talk, _: str) -> None:
    last = talk.session.turns[-1:]
    if last and last[0].role != "user" and last[0].version == last[0].versions:
        talk.again()
    else:
        talk.show(talk.session.next_version())


def _previous(talk: Talk, _: str) -> None:
    talk.show(talk.session.previous_version())


def _edit(talk: Talk, said: str) -> None:
    found = re.match(r"(-?\d+)(?:\s+|$)", said)
    at = _place(found[1]) if found else -1
    text = said[found.end() :] if found else said
    turns = talk.session.turns
    talk.session.versions(at)  # raises where there is no such turn
    if not text:
        try:
            text = talk.reader.edit("고치기: ", turns[at].raw)
        except (EOFError, KeyboardInterrupt):
            talk.tell("고치지 않았습니다.")
            return
    changed = talk.session.edit(at, text)
    talk.show(changed)
    if changed.role == "user":
        talk.tell("뒤의 답은 그대로입니다. 마지막 답을 새로 받으려면 /다시")


def _undo(talk: Talk, _: str) -> None:
    talk.tell(f"되돌렸습니다: {talk.session.undo()}")
    talk.show_last()


def _delete(talk: Talk, said: str) -> None:
    number, _, rest = said.partition(" ")
    at = _place(number) if number else -1
    and_after = rest.strip() in ("부터", "--after", "after")
    talk.session.delete(at, and_after=and_after)
    talk.tell("지웠습니다. /되돌리기 로 되살릴 수 있습니다.")
    talk.show_last()


def _go_on(talk: Talk, _: str) -> None:
    talk.go_on()


def _speak(talk: Talk, said: str) -> None:
    talk.let_speak(said)


def _note(talk: Talk, said: str) -> None:
    note = talk.session.setting.note
    if not said:
        told = f"작가 노트(끝에서 {note.depth}마디 앞): {note.text}" if note.text else "없습니다."
        talk.tell(f"{told} 바꾸기: /노트 글, 지우기: /노트 -")
        return
    depth, text = note.depth, said
    if found := re.match(r"@(\d{1,4})\s+", said):
        depth, text = int(found[1]), said[found.end() :]
    talk.session.set_note("" if text == "-" else text, depth)
    talk.tell("작가 노트를 지웠습니다." if text == "-" else "작가 노트를 붙였습니다.")


def _pin(talk: Talk, said: str) -> None:
    if said:
        talk.session.pin(said)
        talk.tell(f"고정했습니다({len(talk.session.setting.pins)}번).")
        return
    pins = talk.session.setting.pins
    for number, pin in enumerate(pins, start=1):
        talk.tell(f"{number}. {pin}", "")
    talk.tell("풀기: /고정풀기 번호" if pins else "고정한 기억이 없습니다. 붙이기: /고정 글")


def _unpin(talk: Talk, said: str) -> None:
    talk.session.unpin(_place(said or "1"))
    talk.tell("고정을 풀었습니다.")


def _user(talk: Talk, said: str) -> None:
    if said:
        talk.session.rename_user(said)
    talk.tell(f"지금 이름: {talk.session.user}")


def _persona(talk: Talk, said: str) -> None:
    if said:
        talk.session.set_persona("" if said == "-" else said)
    told = talk.session.setting.persona or "없습니다."
    talk.tell(f"내 소개: {told} 바꾸기: /소개 글, 지우기: /소개 -")


def _greeting(talk: Talk, said: str) -> None:
    if said:
        talk.session.choose_greeting(-1 if said == "0" else _place(said))
        talk.show_greeting()
        return
    for number, text in enumerate(talk.session.greetings(), start=1):
        talk.tell(f"{number}. {text}", "")
    talk.tell("고르기: /첫인사 번호, 없이: /첫인사 0")


def _title(talk: Talk, said: str) -> None:
    if said:
        talk.session.set_title("" if said == "-" else said)
    talk.tell(f"제목: {talk.session.setting.title or '없음'}")


def _check(talk: Talk, said: str) -> None:
    at = _place(said) if said else -1
    if said == "" and talk.session.turns and talk.session.turns[-1].role == "user":
        raise ChatError("마지막 말이 캐릭터의 말이 아닙니다. 번호를 붙여 주세요: /검사 번호")
    findings = talk.session.check(at)
    for finding in findings:
        style = "red" if finding.severity == "error" else "yellow"
        talk.tell(f"{finding.code}: {finding.message}", style)
    if not findings:
        talk.tell("배역과 말투에서 걸린 것이 없습니다.", "green")


def _who(talk: Talk, _: str) -> None:
    print_who(talk.console, talk.session, talk.opened.label)


def _prompt(talk: Talk, said: str) -> None:
    print_prompt(talk.console, talk.session.prompt(said))


def _history(talk: Talk, said: str) -> None:
    turns = talk.session.turns
    count = (
        len(turns) if said in ("모두", "all") else int(said) if said.isdecimal() else SHOWN_TURNS
    )
    shown = turns[-count:] if count else []
    if not shown:
        talk.tell("아직 주고받은 말이 없습니다.")
        return
    print_turns(talk.console, shown, talk.session, len(turns) - len(shown) + 1)


def _chats(talk: Talk, _: str) -> None:
    if not talk.chats.is_file():
        talk.tell("아직 남긴 대화가 없습니다.")
        return
    print_chats(talk.console, talk.store.chats())
    talk.tell("이으려면 나간 뒤 --resume 번호")


def _save(talk: Talk, said: str) -> None:
    words = _words(said)
    flags = {word for word in words if word.startswith("--")}
    paths = [word for word in words if not word.startswith("--")]
    if unknown := flags - {"--messages", "--force"}:
        raise ChatError(f"{', '.join(sorted(unknown))}: /저장 [파일] [--messages] [--force]")
    if not talk.session.turns:
        raise ChatError("아직 주고받은 말이 없습니다. 먼저 말을 걸어 보세요.")
    now = datetime.now().astimezone()
    default = talk.chats.parent / f"{now:%Y%m%d-%H%M%S}.jsonl"
    path = Path(paths[0]).expanduser() if paths else default
    if path.exists() and "--force" not in flags:
        raise ArtifactError(f"{path}: 이미 있습니다. 다른 이름을 쓰거나 --force를 붙여 주세요.")
    is_messages = "--messages" in flags
    write = talk.session.write_messages if is_messages else talk.session.write_sillytavern
    talk.tell(f"저장했습니다: {write(path)}", is_whole=True)


def _load(talk: Talk, said: str) -> None:
    words = _words(said)
    if len(words) != 1:
        raise ChatError(
            "/불러오기 파일: SillyTavern이나 messages 형식의 JSONL 파일 하나를 적어 주세요."
        )
    talk.keep()
    count = talk.session.read_log(Path(words[0]).expanduser())
    talk.tell(f"{count:,}마디를 불러왔습니다. 앞의 대화는 /되돌리기 로 되살릴 수 있습니다.")
    talk.show_last(4)


def _new(talk: Talk, _: str) -> None:
    talk.begin_anew()
    talk.tell("새 대화입니다. 앞의 대화는 /대화 에 있습니다.")
    talk.show_greeting()


def _reload(talk: Talk, _: str) -> None:
    talk.session.reload()
    talk.show_last(4)


def _help(talk: Talk, _: str) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for one in COMMANDS:
        names = " ".join(f"/{name}" for name in one.names[1:])
        table.add_row(Text(f"/{one.names[0]} {one.takes}".rstrip()), Text(names), one.does)
    talk.console.print(table)
    talk.tell("줄 끝에 \\를 쓰면 다음 줄로 이어집니다. 빗금으로 시작하는 말은 //처럼 둘을 씁니다.")
    talk.tell("Ctrl-C 답 멈추기 · Ctrl-D 끝내기 · ↑ 앞서 한 말 · Tab 명령 채우기")


def _quit(_talk: Talk, _: str) -> None:
    raise EOFError


def _place(number: str) -> int:
    """The position of a turn or a line that people count from 1, or back from -1."""
    if not re.fullmatch(r"-?\d{1,9}", number) or int(number) == 0:
        raise ChatError(f"'{number}': 번호는 1부터 셉니다. /보기 에 번호가 나옵니다.")
    return int(number) - 1 if int(number) > 0 else int(number)


def _words(said: str) -> list[str]:
    try:
        return shlex.split(said)
    except ValueError as error:
        raise ChatError(f"따옴표가 맞지 않습니다: {said}") from error


COMMANDS = (
    Command(("다시", "regen", "retry"), "", "마지막 답을 새로 받는다. 앞의 답도 남는다.", _again),
    Command(("다음", "next"), "", "다음 답. 마지막이면 새로 받는다.", _next),
    Command(("이전", "prev"), "", "앞서 받은 답.", _previous),
    Command(("이어서", "continue"), "", "답을 이어서 더 쓰게 한다.", _go_on),
    Command(("말해", "speak"), "[이름]", "내 말 없이 다음 말을 시킨다.", _speak),
    Command(("고치기", "edit"), "[번호] [글]", "한마디를 고친다.", _edit),
    Command(("지우기", "delete"), "[번호] [부터]", "한마디, 또는 거기부터 지운다.", _delete),
    Command(("되돌리기", "undo"), "", "마지막으로 한 일을 되돌린다.", _undo),
    Command(("보기", "history"), "[수|모두]", "지난 말을 번호와 함께 본다.", _history),
    Command(("노트", "note"), "[@깊이] [글]", "모델에게만 귀띔한다. - 지우기", _note),
    Command(("고정", "pin"), "[글]", "늘 기억할 것을 붙인다.", _pin),
    Command(("고정풀기", "unpin"), "번호", "붙인 기억을 푼다.", _unpin),
    Command(("이름", "user"), "[이름]", "캐릭터가 부를 내 이름.", _user),
    Command(("소개", "persona"), "[글]", "내가 누구인지 알려 준다.", _persona),
    Command(("첫인사", "greeting"), "[번호]", "다른 첫인사로 연다. 0은 없이.", _greeting),
    Command(("누구", "who"), "", "누가 있고 무엇을 기억하는지.", _who),
    Command(("프롬프트", "prompt"), "[할 말]", "모델이 받는 글 그대로, 토큰, 빠진 것.", _prompt),
    Command(("검사", "check"), "[번호]", "답의 말투와 배역을 검사한다.", _check),
    Command(("저장", "save"), "[파일]", "JSONL로. --messages 학습용, --force.", _save),
    Command(("불러오기", "load"), "파일", "JSONL 대화를 읽어 온다.", _load),
    Command(("제목", "title"), "[글]", "대화에 제목을 붙인다.", _title),
    Command(("대화", "chats"), "", "남긴 대화들.", _chats),
    Command(("새로", "new"), "", "새 대화를 시작한다.", _new),
    Command(("새로읽기", "reload"), "", "다른 창에서 바뀐 대화를 다시 읽는다.", _reload),
    Command(("도움말", "도움", "help"), "", "이 목록.", _help),
    Command(("끝", "quit", "exit"), "", "끝낸다.", _quit),
)
