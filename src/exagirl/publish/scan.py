"""Secrets, places on this machine and people's data, found before anything leaves it.

Every pattern is of bounded length and is tried only where a piece of plain text of it stands, so
the work grows with the bytes alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from exagirl.export.papers import CODE_OR_WEIGHTS, LICENCE
from exagirl.publish.faults import PublishError
from exagirl.publish.readable import Block, blocks
from exagirl.record import Record

Kind = Literal["secret", "place", "mention", "person"]
"""``mention``: a conversation speaks of a folder; nothing says that it is one of this machine."""
SHORTEST_SECRET = 12
"""Characters; shorter values of variables stand in innocent text."""
LONGEST_SECRET = 1024
SHOWN_CHARACTERS = 4
MOST_OF_A_KIND = 1000
"""In one file; what is beyond is not told."""
SOURCES = "exagirl/"
"""Where a Space holds this package."""
MOST_TOLD = 10
_SECRET_NAME = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)


class Found(Record):
    """Something that should not leave this machine, or that a person should look at."""

    path: str = Field(description="저장소 안의 이름.")
    line: int = Field(ge=0, description="몇 번째 줄, 또는 표의 몇 번째 행. 없으면 0.")
    kind: Kind
    what: str = Field(description="무엇으로 보이는지.")
    shown: str = Field(description="앞의 몇 글자. 비밀은 넷까지.")

    def tell(self) -> str:
        """One line for a person."""
        unit = "행" if self.path.endswith(".parquet") else "번째 줄"
        place = f"{self.path} {self.line}{unit}" if self.line else self.path
        return f"{place}: {self.what} ({self.shown})"


class _Rule(NamedTuple):
    kind: Kind
    what: str
    needles: tuple[bytes, ...]
    """One of them stands in whatever the pattern finds; none: it is always tried."""
    pattern: re.Pattern[bytes]


def _secret(what: str, needle: bytes, pattern: bytes) -> _Rule:
    return _Rule("secret", what, (needle,), re.compile(pattern))


_SECRETS = (
    _secret("허깅페이스 토큰", b"hf_", rb"(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{24,64}"),
    _secret(
        "OpenAI·Anthropic 꼴의 키",
        b"sk-",
        rb"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z0-9_-]{0,64}[0-9])[A-Za-z0-9_-]{20,200}",
    ),
    _secret("AWS 접근 키", b"AKIA", rb"(?<![A-Za-z0-9])AKIA[0-9A-Z]{16}(?![A-Za-z0-9])"),
    _secret("AWS 임시 키", b"ASIA", rb"(?<![A-Za-z0-9])ASIA[0-9A-Z]{16}(?![A-Za-z0-9])"),
    _secret("GitHub 토큰", b"gh", rb"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36,100}"),
    _secret("GitHub 토큰", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{22,120}"),
    _secret("Google 키", b"AIza", rb"(?<![A-Za-z0-9])AIza[0-9A-Za-z_-]{35}"),
    _secret("Slack 토큰", b"xox", rb"(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9-]{10,100}"),
    _secret("개인 키", b"PRIVATE KEY", rb"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY"),
)
_PLACES = (
    _Rule(
        "place",
        "이 컴퓨터의 경로",
        (b"/home/", b"/Users/", b"/root/", b"/tmp/", b"/var/folders/"),
        re.compile(
            rb"(?<![A-Za-z0-9_.~%/-])(?:file://)?(?:/private)?"
            rb"/(?:home|Users|root|tmp|var/folders)/[^\s\"'<>|\\/]{1,64}"
        ),
    ),
    _Rule(
        "place",
        "이 컴퓨터의 경로",
        (b"Users",),
        re.compile(rb"(?<![A-Za-z0-9])[A-Za-z]:[\\/]{1,2}Users[\\/]{1,2}[^\s\"'<>|\\/]{1,64}"),
    ),
)
_MENTIONS = tuple(rule._replace(kind="mention", what="경로") for rule in _PLACES)
_PERSONS = (
    _Rule(
        "person",
        "메일 주소",
        (b"@",),
        re.compile(
            rb"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}"
            rb"(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}"
        ),
    ),
    _Rule(
        "person",
        "전화번호",
        (),
        re.compile(
            rb"(?<![0-9-])0(?:1[016789]|2|[3-6][0-9]|70)[-. ]?[0-9]{3,4}[-. ]?[0-9]{4}(?![0-9])"
        ),
    ),
    _Rule(
        "person",
        "주민등록번호 꼴",
        (),
        re.compile(
            rb"(?<![0-9])[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])-?[1-8][0-9]{6}(?![0-9])"
        ),
    ),
)


class Scanner:
    """Looks for what should stay here.

    Args:
        environment: Variables of the process; values of ``*_KEY``, ``*_TOKEN``, ``*_SECRET`` and
            ``*_PASSWORD`` are secrets.
        places: Folders whose whole names tell about this machine: the run's, the user's home.
    """

    def __init__(self, environment: Mapping[str, str], places: Sequence[Path] = ()) -> None:
        own = (_own_place(place) for place in places if len(place.parts) > 2)
        self._of_here = (*_of_environment(environment), *own)

    def scan(self, folder: Path) -> list[Found]:
        """Everything found in the files of a folder, in their order.

        Raises:
            PublishError: A file with weights is damaged.
        """
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return [
            found
            for path in paths
            for found in self.scan_file(path, path.relative_to(folder).as_posix())
        ]

    def scan_file(self, path: Path, name: str) -> list[Found]:
        """What is found in one file; in a table also people's data."""
        rules = [*self._of_here, *_known_rules(name)]
        found: list[Found] = []
        counts: Counter[Kind] = Counter()
        for block in blocks(path):
            for one in _search(block, rules, name):
                counts[one.kind] += 1
                # Each kind by itself: a thousand mail addresses must not hide a key.
                if counts[one.kind] <= MOST_OF_A_KIND:
                    found.append(one)
        return found


def refuse(found: Sequence[Found], part: str) -> list[Found]:
    """What a person should look at, when nothing was found that may not leave.

    Conversations may speak of folders and of people; that is only told.

    Raises:
        PublishError: A secret, or a place on this machine.
    """
    grave = [one for one in found if one.kind in ("secret", "place")]
    if not grave:
        return list(found)
    lines = [f"  - {part}/{one.tell()}" for one in grave[:MOST_TOLD]]
    if len(grave) > MOST_TOLD:
        lines.append(f"  … 그리고 {len(grave) - MOST_TOLD}곳 더")
    advice = []
    if any(one.kind == "secret" for one in grave):
        advice.append("비밀이 든 자리를 지우고 다시 만드세요. 그 키는 새로 발급받으세요.")
    if any(one.kind == "place" for one in grave):
        advice.append("경로는 그 파일을 만든 곳(캐릭터, 레시피, 기본 모델 폴더)에서 고치세요.")
    told = "\n".join(lines)
    raise PublishError(
        f"올리면 안 되는 것이 {len(grave)}곳 있어 멈췄습니다. 아무것도 보내지 않았습니다.\n{told}\n"
        + " ".join(advice)
    )


def _known_rules(name: str) -> tuple[_Rule, ...]:
    """The patterns that hold for a file, whoever's machine this is."""
    if name.endswith(".parquet"):
        return (*_SECRETS, *_MENTIONS, *_PERSONS)
    if _is_paper(name):
        return ()
    # The package's own sources speak of made-up folders in their docstrings.
    return _SECRETS if name.startswith(SOURCES) else (*_SECRETS, *_PLACES)


def _is_paper(name: str) -> bool:
    """True for a licence of others: Google's own keys stand in Gemma's terms, a saved web page."""
    path = Path(name)
    return LICENCE.search(path.name) is not None and path.suffix not in CODE_OR_WEIGHTS


def _search(block: Block, rules: Iterable[_Rule], name: str) -> Iterator[Found]:
    """What a block holds, in its order; of finds of one kind in one place the first."""
    matches = [
        (match, rule)
        for rule in rules
        if not rule.needles or any(needle in block.content for needle in rule.needles)
        for match in rule.pattern.finditer(block.content)
        if block.first <= match.start() < block.end
    ]
    ends: dict[Kind, int] = {}
    for match, rule in sorted(matches, key=lambda one: one[0].span()):
        if match.start() < ends.get(rule.kind, 0):
            continue
        ends[rule.kind] = match.end()
        text = match.group().decode("utf-8", "replace")
        line = block.line
        if line and not name.endswith(".parquet"):
            line += block.content.count(b"\n", 0, match.start())
        shown = text if rule.kind in ("place", "mention") else text[:SHOWN_CHARACTERS] + "…"
        yield Found(path=name, line=line, kind=rule.kind, what=rule.what, shown=shown)


def _of_environment(environment: Mapping[str, str]) -> Iterator[_Rule]:
    for name, value in sorted(environment.items()):
        plain = value.strip()
        if not _SECRET_NAME.search(name) or len(plain) < SHORTEST_SECRET:
            continue
        plain = plain[:LONGEST_SECRET]
        spellings = {plain, json.dumps(plain, ensure_ascii=False)[1:-1]}
        needles = tuple(one.encode("utf-8", "surrogateescape") for one in sorted(spellings))
        pattern = re.compile(b"|".join(re.escape(needle) for needle in needles))
        yield _Rule("secret", f"환경 변수 {name}의 값", needles, pattern)


def _own_place(place: Path) -> _Rule:
    needle = str(place).encode("utf-8", "surrogateescape")
    pattern = re.compile(re.escape(needle) + rb"(?![A-Za-z0-9_-])")
    return _Rule("place", "이 컴퓨터의 경로", (needle,), pattern)
