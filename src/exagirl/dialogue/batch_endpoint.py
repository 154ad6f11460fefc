"""Files and batches of an endpoint that speaks OpenAI's Batch API.

Source: OpenAI's guide to the Batch API and the reference of its files and batches.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import httpx2

from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply, TransportFault
from exagirl.chatmodel.secrets import hide
from exagirl.errors import TeacherError

if TYPE_CHECKING:
    from openai.types import Batch

URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
METADATA = "exagirl"
"""Under this key our own name of a batch goes along with it."""
FILE_TIMEOUT_S = 600.0
"""A file of 150 MB takes longer than one dialogue."""
FINAL = frozenset(("completed", "failed", "expired", "cancelled"))
_FIND_RETRIES = 2
_LISTED_PAGES = 10
_WORDS_CHARS = 300


class BatchLostError(TeacherError):
    """A batch that will not answer any more."""


class BatchEndpoint:
    """Sends batches, looks at them, and reads what they answered.

    Every method raises `TransportFault` where the line failed and `TeacherError` where asking again
    cannot help.
    """

    def __init__(self, options: TeacherOptions, model: OpenAICompatibleModel) -> None:
        import openai

        self._model = model
        self._where = options.base_url or "OpenAI"
        self._secrets = model.secrets
        # A client of its own: the answers of a batch are longer than any one reply may be.
        self._client = model.client.with_options(
            http_client=openai.DefaultAioHttpClient(),
            timeout=max(options.timeout_s, FILE_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close the line."""
        await self._client.close()

    async def upload(self, name: str, lines: Sequence[str]) -> str:
        """Send the requests of a batch; returns the file's id."""
        from openai.types import FileObject

        content = "\n".join(lines).encode() + b"\n"
        with self._faults(self._no_batches()):
            file: Any = await self._client.files.create(
                file=(f"{name}.jsonl", content), purpose="batch"
            )
        if not (isinstance(file, FileObject) and file.id):
            raise TransportFault("올린 파일에 대한 답이 아님")
        return file.id

    async def create(self, name: str, file: str) -> str:
        """Have a file worked off as a batch; returns the batch's id."""
        with self._faults(self._no_batches()):
            batch = await self._client.batches.create(
                input_file_id=file,
                endpoint=URL,
                completion_window="24h",
                metadata={METADATA: name},
            )
        return _checked(batch).id

    async def find(self, name: str) -> str | None:
        """The id of the batch that was sent under our own name, if there is one."""
        client = self._client.with_options(max_retries=_FIND_RETRIES)
        with self._faults(self._no_batches()):
            page = await client.batches.list(limit=100)
            for _ in range(_LISTED_PAGES):
                if not isinstance(page.data, list):  # an empty list would mean: never sent
                    raise TransportFault("답이 배치의 목록이 아님")
                for batch in map(_checked, page.data):
                    if isinstance(batch.metadata, Mapping) and batch.metadata.get(METADATA) == name:
                        return batch.id
                if not page.has_next_page():
                    break
                page = await page.get_next_page()
        return None

    async def look(self, remote: str) -> Batch:
        """How a batch stands.

        Raises:
            BatchLostError: The endpoint does not know it.
        """
        with self._faults(self._lost(remote)):
            return _checked(await self._client.batches.retrieve(remote))

    async def download(self, file: str) -> str:
        """What a batch answered, one line of JSON a request.

        Raises:
            BatchLostError: The endpoint does not have the file any more.
        """
        with self._faults(self._lost(file)):
            content = await self._client.files.content(file)
            return content.content.decode("utf-8", "replace")

    def read(self, row: Mapping[str, Any]) -> ChatReply:
        """Read one line of what a batch answered.

        Raises:
            KeyError: The request was not answered.
        """
        response = row["response"] or {}
        status, body = response["status_code"], response["body"]
        if status == 200:
            return self._model.read(json.dumps(body).encode())
        if 400 <= status < 500 and status not in (408, 409, 425, 429):
            told = self._words(json.dumps(body, ensure_ascii=False))
            raise TeacherError(f"배치의 요청이 거절되었습니다(HTTP {status}). {told}")
        raise TransportFault(f"배치의 요청이 실패함(HTTP {status})")

    def check_end(self, batch: Batch) -> None:
        """Make sure that a batch came to its end by itself.

        Raises:
            BatchLostError: It failed, or somebody cancelled it.
        """
        if batch.status == "failed":
            faults = (batch.errors and batch.errors.data) or ()
            told = self._words("; ".join(str(one.message) for one in faults))
            raise BatchLostError(f"배치 {batch.id}이(가) 실패했습니다. {told}")
        if batch.status == "cancelled":
            raise BatchLostError(
                f"배치 {batch.id}이(가) 취소되었습니다. 같은 명령을 다시 실행하면 남은 것을 새로 "
                "보냅니다."
            )

    def _words(self, text: str) -> str:
        return hide(text, self._secrets)[:_WORDS_CHARS]

    def _no_batches(self) -> TeacherError:
        return TeacherError(
            f"{self._where}: 배치 API가 없습니다(HTTP 404). --batch 없이 실행하세요."
        )

    def _lost(self, what: str) -> BatchLostError:
        return BatchLostError(
            f"{self._where}: 보낸 배치가 없습니다({what}, HTTP 404). 배치를 보낸 키로 실행했는지 "
            "확인하세요. 맞는 키라면, 같은 명령을 다시 실행하면 새로 보냅니다."
        )

    @contextlib.contextmanager
    def _faults(self, if_absent: TeacherError) -> Iterator[None]:
        import openai

        try:
            yield
        except openai.NotFoundError as error:
            raise if_absent from error
        except openai.OpenAIError as error:
            raise self._model.fault(error) from error
        except (httpx2.HTTPError, AttributeError) as error:
            # AttributeError: the SDK stumbles over a page of HTML.
            raise TransportFault(type(error).__name__) from error


def _checked(found: Any) -> Batch:
    """What should be a batch; a page of HTML and an empty object are none.

    Raises:
        TransportFault: It is none.
    """
    from openai.types import Batch

    if isinstance(found, Batch) and found.id and found.status:
        return found
    raise TransportFault("답이 배치가 아님")
