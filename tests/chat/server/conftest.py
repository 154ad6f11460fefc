"""One tiny model and one server for the tests of a module."""

import pytest


@pytest.fixture(scope="session")
def talker(tmp_path_factory):
    """A model folder; read it, do not change it."""
    from support.api_server import save_talker

    return save_talker(tmp_path_factory.mktemp("talker"))


@pytest.fixture(scope="module")
def api(talker):
    """A server with room for 64 at once."""
    from support.api_server import api_of, tiny_backend

    with api_of(tiny_backend(talker), max_body_bytes=2**21, max_tokens=1000) as serving:
        yield serving


@pytest.fixture(scope="session")
def endless(tmp_path_factory):
    """A model folder whose model does not end of itself."""
    from support.api_server import save_talker

    return save_talker(tmp_path_factory.mktemp("endless"), is_endless=True)
