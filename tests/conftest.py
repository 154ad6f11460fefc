"""Fixtures that many tests share."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # no test may reach a hub

import pytest


@pytest.fixture(scope="session")
def exaone_base(tmp_path_factory):
    """A tiny checkpoint in EXAONE's layout; read it, do not change it."""
    from support.tiny_models import save_exaone

    return save_exaone(tmp_path_factory.mktemp("base") / "exaone-tiny")
