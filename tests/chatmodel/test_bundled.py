"""The bundled teacher answers with the lines that it was given."""

import asyncio

import pytest

from exagirl.chatmodel.bundled import BundledModel
from exagirl.chatmodel.protocol import ChatRequest
from exagirl.errors import TeacherError


def ask(lines, key):
    """Ask a bundled teacher for a slot."""
    return asyncio.run(BundledModel(lines).reply(ChatRequest(messages=(), topic_key=key)))


def test_a_slot_gets_its_own_line():
    """The line stands under the slot's key."""
    lines = {"data/daily/0000": "하나", "data/daily/0001": "둘"}
    assert ask(lines, "data/daily/0001").content == "둘"


def test_a_slot_without_a_line_is_told_by_its_key():
    """The message names the slot and two ways out."""
    with pytest.raises(TeacherError, match=r"data/daily/0002.*dialogues.*kind: openai"):
        ask({}, "data/daily/0002")
