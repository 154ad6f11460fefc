"""A browser for the tests of the page."""

import pytest


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests of a file."""
    from support.web_page import browser

    with browser() as running:
        yield running
