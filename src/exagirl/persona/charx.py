"""``.charx``: a ZIP with ``card.json`` and its assets, read with bounds.

Source: SPEC_V3 of Character Card, "CHARX".
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from pathlib import PurePosixPath

from exagirl.persona.card_text import MAX_CARD_BYTES, CardFault

CARD = "card.json"
MAX_MEMBERS = 2000
MAX_TOTAL_BYTES = 100_000_000
# A fixed date: the same card gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def read_charx(file: bytes) -> bytes:
    """Give ``card.json`` of a charx.

    Raises:
        CardFault: No whole ZIP, no card in it, a bomb, or a member outside the folder.
    """
    return read_members(file, only=CARD)[CARD]


def read_members(file: bytes, *, only: str | None = None) -> dict[str, bytes]:
    """Unpack a charx in memory; nothing is written anywhere.

    Args:
        file: The bytes of the ZIP; what stands in front of it (a picture) is allowed.
        only: Unpack this member alone; the others are looked at nevertheless.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _check(members)
            if CARD not in {info.filename for info in members}:
                raise CardFault(f"{CARD}이 들어 있지 않습니다")
            wanted = [info for info in members if only in (None, info.filename)]
            return {info.filename: _read(archive, info) for info in wanted}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CardFault(f"ZIP을 읽을 수 없습니다({error})") from error
    except (RuntimeError, ValueError, OverflowError) as error:
        if isinstance(error, CardFault):
            raise
        raise CardFault(f"ZIP을 읽을 수 없습니다({error})") from error


def pack_charx(members: dict[str, bytes]) -> bytes:
    """Pack a charx; the same members give the same bytes.

    Raises:
        CardFault: A name leads outside.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            check_name(name)
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def check_name(name: str) -> None:
    """Refuse a member's name that leads out of its folder.

    Raises:
        CardFault: It does.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts:
        raise CardFault(f"'{name[:80]}': 폴더 밖을 가리키는 이름입니다. 열지 않았습니다")


def _check(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise CardFault(f"파일이 {len(members):,}개입니다. {MAX_MEMBERS:,}개까지 읽습니다")
    names: set[str] = set()
    for info in members:
        check_name(info.filename)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CardFault(f"'{info.filename[:80]}': 링크는 열지 않습니다")
        if info.filename in names:
            raise CardFault(f"'{info.filename[:80]}': 같은 이름이 두 번 나옵니다")
        names.add(info.filename)
    total = sum(info.file_size for info in members)
    if total > MAX_TOTAL_BYTES:
        raise CardFault(
            f"풀면 {total / 1e6:.0f} MB입니다. {MAX_TOTAL_BYTES / 1e6:.0f} MB까지 엽니다"
        )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    limit = MAX_CARD_BYTES if info.filename == CARD else MAX_TOTAL_BYTES
    if info.file_size > limit:
        raise CardFault(
            f"{info.filename}: 풀면 {info.file_size / 1e6:.0f} MB입니다. "
            f"{limit / 1e6:.0f} MB까지 읽습니다"
        )
    # The declared size may lie: no more than that is unfolded.
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)
    if len(content) > info.file_size:
        raise CardFault(f"{info.filename}: 적힌 크기보다 크게 풀립니다")
    return content
