"""Other models behind the same API: an OpenAI-compatible endpoint, a GGUF file."""

import openai
import pytest

from exagirl.chat.server.proxy import Endpoint, ProxyBackend
from exagirl.export.choice import can_write_gguf, has_llama_cpp
from support.api_server import HELLO, NAME, api_of, tiny_backend
from support.chat_server import ChatServer, refuses

FINE = {"model": "front", "messages": HELLO, "max_tokens": 24, "temperature": 1.0, "seed": 5}


def words_of(api, **more):
    """What a stream says, and its last chunk."""
    usage = {"include_usage": True}
    chunks = list(
        api.client().chat.completions.create(**{**FINE, **more}, stream=True, stream_options=usage)
    )
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    return said, chunks[-1].usage


def test_an_endpoint_behind_says_the_same_as_if_it_were_asked_itself(talker):
    """Words, counts, and the end, through a second server of our own."""
    with api_of(tiny_backend(talker)) as behind:
        proxy = ProxyBackend(Endpoint(base_url=f"{behind.url}/v1", model=NAME), name="front")
        with api_of(proxy) as api:
            assert words_of(api) == words_of(behind, model=NAME)
            with pytest.raises(openai.BadRequestError, match="거절"):
                api.client().chat.completions.create(
                    **{**FINE, "messages": [{"role": "user", "content": "책 " * 9000}]}
                )


def test_a_client_that_goes_away_ends_the_request_behind(endless):
    """The slot of both servers is free within two seconds."""
    with api_of(tiny_backend(endless), max_tokens=3500) as behind:
        proxy = ProxyBackend(Endpoint(base_url=f"{behind.url}/v1", model=NAME), name="front")
        with api_of(proxy, max_tokens=3500) as api:
            line = api.raw({**FINE, "max_tokens": 3500, "stream": True})
            behind.wait_for(lambda: behind.queue.running == 1)
            line.close()
            assert api.wait_for(lambda: api.queue.running == behind.queue.running == 0) < 2.0


@pytest.mark.parametrize(("status", "seen"), [(429, 503), (500, 500), (401, 500), (400, 400)])
def test_a_fault_of_the_endpoint_is_told_without_its_key(status, seen):
    """As a status that fits this server."""
    key = "sk-behind-0123456789"
    with ChatServer(lambda _asked: refuses(status, f"no, {key}")) as behind:
        endpoint = Endpoint(base_url=behind.url, model="m", api_key=key)
        with api_of(ProxyBackend(endpoint, name="front")) as api:
            with pytest.raises(openai.APIStatusError) as caught:
                api.client().chat.completions.create(**FINE)
            assert caught.value.status_code == seen
            assert key not in str(caught.value)


@pytest.mark.skipif(
    not (has_llama_cpp() and can_write_gguf()), reason="gguf and xllamacpp are not installed"
)
def test_a_gguf_file_is_served(tmp_path):
    """Streams, counts, stop at the limit; side by side."""
    from exagirl.chat.server.gguf import GgufBackend
    from exagirl.export.gguf_types import find_quant
    from exagirl.export.gguf_write import write_gguf
    from support.merged_models import save_exaone_kind

    model = save_exaone_kind(tmp_path / "model")
    path = write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")
    with api_of(GgufBackend(path, name="front", slots=2, context_tokens=512)) as api:
        said, usage = words_of(api)
        assert said
        assert 0 < usage.completion_tokens <= 24
        assert usage.prompt_tokens > 0
        assert words_of(api)[0] == said
