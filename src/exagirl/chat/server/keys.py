"""Who may ask: the key, read from the environment, and the names that the server goes by."""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Sequence

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


class HostNames:
    """What may stand in a request's ``Host`` header.

    A page that gives its own name this machine's address (DNS rebinding) has the browser send that
    name. Where strangers reach the server anyway, the key protects it, and every name will do
    unless some are given.

    Args:
        host: Where the server listens.
        more: Further names, without a port.
    """

    def __init__(self, host: str, more: Sequence[str] = ()) -> None:
        self._is_loopback = is_loopback(host)
        self._names = {_bare(name) for name in (host, *more)}
        self._takes_all = not (self._is_loopback or more)

    def takes(self, shown: str) -> bool:
        """Whether a header may be answered; none at all may, for browsers always send one."""
        name = _bare(shown)
        if self._takes_all or not name or name in self._names:
            return True
        return self._is_loopback and is_loopback(name)


def _bare(shown: str) -> str:
    """A host in lower case, without port, brackets and the dot at its end."""
    name = shown.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    # An address of IPv6 without brackets has colons of its own.
    return (name if name.count(":") > 1 else name.partition(":")[0]).rstrip(".")


def is_right(shown: str, key: SecretStr | None) -> bool:
    """Compare the ``Authorization`` header with the key, in constant time; without one all pass."""
    if key is None:
        return True
    scheme, _, given = shown.partition(" ")
    right = hmac.compare_digest(
        given.strip().encode("utf-8", "replace"), key.get_secret_value().encode()
    )
    return right and scheme.lower() == "bearer"
