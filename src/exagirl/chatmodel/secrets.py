"""Keys come from the environment or a file, and never go anywhere but to the endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from exagirl.chatmodel.options import VARIABLE, TeacherOptions
from exagirl.errors import TeacherError

MAX_KEY_BYTES = 10_000
# Shorter values are no secrets, and hiding them would blot out innocent text.
_SHORTEST_SECRET = 6


def find_key(options: TeacherOptions) -> str:
    """The key of an endpoint; empty where an endpoint of one's own needs none.

    Raises:
        TeacherError: OpenAI itself is asked without a key, or what stands there is no key.
    """
    if options.api_key_file is not None:
        key, where = _read_key(Path(options.api_key_file).expanduser()), options.api_key_file
    else:
        key = os.environ.get(options.api_key_env, "").strip()
        where = f"환경 변수 {options.api_key_env}"
    if not key and options.base_url is None:
        raise TeacherError(f"{where}에 키가 없습니다. {_how_to_give(options)}")
    if not _is_sendable(key):
        raise TeacherError(
            f"{where}에 든 것은 키가 아닙니다. 한글이나 줄바꿈이 섞이지 않았는지 확인하세요."
        )
    return key


def _how_to_give(options: TeacherOptions) -> str:
    if options.api_key_file is not None:
        return "파일에 키 한 줄을 넣어 주세요."
    return (
        f"'export {options.api_key_env}=…'로 넣거나, 레시피의 teacher.api_key_env를 키가 든 변수의 "
        "이름으로 바꾸세요."
    )


def _is_sendable(value: str) -> bool:
    """True for what may stand in a header of HTTP."""
    return value.isascii() and value.isprintable()


def _read_key(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_KEY_BYTES).decode("utf-8-sig", "replace").strip()
    except OSError as error:
        raise TeacherError(
            f"{path}: 키 파일을 읽을 수 없습니다({error.strerror}). teacher.api_key_file의 "
            "경로와 권한을 확인하세요."
        ) from error


def fill_variables(given: dict[str, str], option: str) -> tuple[dict[str, str], list[str]]:
    """Values with ``${NAME}`` replaced from the environment, and what went in.

    Args:
        given: Headers, or what goes into the address.
        option: Where they stand in ``teacher``: ``headers`` or ``query``.

    Raises:
        TeacherError: A variable that a value names is not set, or HTTP cannot carry it.
    """
    secrets: list[str] = []
    filled: dict[str, str] = {}
    for name, written in given.items():
        value = written
        for variable in VARIABLE.findall(written):
            found = os.environ.get(variable, "").strip()
            if not found:
                raise TeacherError(
                    f"teacher.{option}.{name}: 환경 변수 {variable}이(가) 비어 있습니다. "
                    f"'export {variable}=…'로 넣어 주세요."
                )
            secrets.append(found)
            value = value.replace(f"${{{variable}}}", found)
        if not (_is_sendable(name) and _is_sendable(value)):
            raise TeacherError(
                f"teacher.{option}.{name}: 영문자, 숫자, 기호만 한 줄로 넣을 수 있습니다."
            )
        filled[name] = value
    return filled, secrets


def hide(text: str, secrets: Iterable[str]) -> str:
    """A text with every secret blotted out; some gateways repeat the key that they were given."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin another
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
