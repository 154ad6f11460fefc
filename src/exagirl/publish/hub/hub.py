"""The Hub: where it is, who asks, and a line to it that stands for the length of a block."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.utils import _http, disable_progress_bars, logging, set_client_factory
from pydantic import Field, SecretStr

from exagirl.progress import Watcher
from exagirl.publish.faults import PublishError
from exagirl.publish.hub.client import Effort, PatientClient
from exagirl.publish.hub.meter import Meter
from exagirl.publish.hub.patience import Patience
from exagirl.record import Record

PUBLIC_HUB = "https://huggingface.co"
AGENT = "exagirl"


class Hub(Record):
    """An address and a token that may write there."""

    endpoint: str
    token: SecretStr
    patience: Patience = Field(default_factory=Patience)

    def hide(self, text: str) -> str:
        """The text without the token, in case a server sent it back."""
        return text.replace(self.token.get_secret_value(), "***")


class Line(NamedTuple):
    """What an upload speaks through."""

    api: Any
    """``huggingface_hub.HfApi``, with the address and the token in it."""
    meter: Meter
    hub: Hub
    watcher: Watcher


def find_hub(
    endpoint: str | None = None, token: str | None = None, patience: Patience | None = None
) -> Hub:
    """Settle the address and the token.

    Args:
        endpoint: The Hub's address; None: ``HF_ENDPOINT`` as it stands now, or the public Hub.
        token: None: ``HF_TOKEN``, or what 'hf auth login' left behind.
        patience: None: the usual one.

    Raises:
        PublishError: No token is there, or one of the two cannot be used.
    """
    address = (endpoint or os.environ.get("HF_ENDPOINT") or PUBLIC_HUB).strip().rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username:
        raise PublishError(
            f"허브의 주소 '{parts.hostname or address}'를 쓸 수 없습니다. HF_ENDPOINT를 "
            f"{PUBLIC_HUB}처럼 적거나 지우세요."
        )
    found = (token or get_token() or "").strip()
    if not found:
        raise PublishError(
            "허깅페이스 토큰이 없어 올릴 수 없습니다. 'hf auth login'으로 로그인하거나, 쓰기 "
            "권한이 있는 토큰을 환경 변수 HF_TOKEN에 넣으세요. 만드는 곳: "
            f"{PUBLIC_HUB}/settings/tokens"
        )
    if not (found.isascii() and found.isprintable()) or " " in found:
        # An HTTP library would show the whole token in its complaint.
        raise PublishError(
            "허깅페이스 토큰에 쓸 수 없는 글자(빈칸, 한글, 줄바꿈)가 있습니다. HF_TOKEN을 다시 "
            "넣거나 'hf auth login'을 다시 하세요."
        )
    return Hub(endpoint=address, token=SecretStr(found), patience=patience or Patience())


@contextmanager
def open_line(hub: Hub, watcher: Watcher) -> Iterator[Line]:
    """A line to the Hub; huggingface_hub is quiet meanwhile, and as it was before afterwards.

    Its progress bars and its log lines would run through ours; its client waits for ever; and its
    requests would name the other libraries that are installed here.
    """
    meter = Meter(watcher)
    factory = getattr(_http, "_GLOBAL_CLIENT_FACTORY", _http.default_client_factory)
    verbosity, names_libraries = logging.get_verbosity(), constants.HF_HUB_DISABLE_TELEMETRY
    effort = Effort()
    set_client_factory(lambda: PatientClient(hub.patience, effort, meter, watcher.say))
    try:
        constants.HF_HUB_DISABLE_TELEMETRY = True
        if verbosity == logging.WARNING:  # somebody who asked for more is left what he asked for
            logging.set_verbosity_error()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a bar forced on by HF_HUB_DISABLE_PROGRESS_BARS=0
            quiet = disable_progress_bars()
        with quiet:
            api = HfApi(
                endpoint=hub.endpoint,
                token=hub.token.get_secret_value(),
                headers={"user-agent": AGENT},
            )
            yield Line(api, meter, hub, watcher)
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = names_libraries
        logging.set_verbosity(verbosity)
        set_client_factory(factory)
