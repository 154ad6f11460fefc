"""The key that requests must show: read from the environment, compared in constant time."""

from __future__ import annotations

import hmac
import ipaddress
import os

from pydantic import SecretStr

from exagirl.chat.server.faults import ServeError

KEY_VARIABLE = "EXAGIRL_API_KEY"


def read_key(variable: str | None) -> SecretStr | None:
    """The key in a variable of the environment; None where none is asked for.

    Args:
        variable: Its name; None: `KEY_VARIABLE`, which may be missing.

    Raises:
        ServeError: The named variable holds nothing, or what cannot stand in a header.
    """
    key = os.environ.get(variable or KEY_VARIABLE, "").strip()
    name = variable or KEY_VARIABLE
    if not key:
        if variable is None:
            return None
        raise ServeError(
            f"환경 변수 {name}에 키가 없습니다. 'export {name}=…'로 넣거나 --api-key-env를 빼세요."
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ServeError(
            f"환경 변수 {name}에 든 것은 키로 쓸 수 없습니다. 영문자, 숫자, 기호만 한 줄로 "
            "넣으세요."
        )
    return SecretStr(key)


def check_host(host: str, key: SecretStr | None) -> None:
    """Make sure that nobody but this machine can ask without a key.

    Raises:
        ServeError: The host can be reached from elsewhere, and there is no key.
    """
    if key is None and not is_loopback(host):
        raise ServeError(
            f"키 없이는 다른 컴퓨터에 열지 않습니다(--host {host}). 'export {KEY_VARIABLE}=…'로 "
            "키를 정하고 다시 실행하거나, --host를 빼고 이 컴퓨터에서만 쓰세요."
        )


def is_loopback(host: str) -> bool:
    """True where only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_right(shown: str, key: SecretStr | None) -> bool:
    """Compare the ``Authorization`` header with the key, in constant time; without one all pass."""
    if key is None:
        return True
    scheme, _, given = shown.partition(" ")
    right = hmac.compare_digest(
        given.strip().encode("utf-8", "replace"), key.get_secret_value().encode()
    )
    return right and scheme.lower() == "bearer"
