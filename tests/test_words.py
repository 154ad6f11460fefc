"""What the project says of itself is true."""

import re
from pathlib import Path

import pytest

from exagirl.cli.main import app
from exagirl.recipe import shipped_names

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "README.en.md", "CONTRIBUTING.md")]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
VERBS = {entry.name for entry in [*app.registered_commands, *app.registered_groups]}


def commands_in(text):
    """Verbs in ``exagirl VERB`` as a person would type it."""
    quoted = re.findall(r"['`]([^'`\n]*)['`]", text) + re.findall(r"^\S*exagirl .*$", text, re.M)
    return {m for part in quoted for m in re.findall(r"(?:^|/|\s)exagirl ([a-z]+)\b", part)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_page_exists(page):
    """A reader who copies a command meets a command."""
    assert commands_in(page.read_text("utf-8")) <= VERBS


def test_the_readme_names_commands():
    """The test above reads something."""
    assert {"run", "chat", "demo", "init"} <= commands_in(PAGES[0].read_text("utf-8"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_command_that_a_message_suggests_exists(source):
    """Nobody is sent to a verb that is not there."""
    assert commands_in(source.read_text("utf-8")) <= VERBS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    """Relative links point at files of the project."""
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    for link in links:
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


def test_the_make_targets_of_the_pages_exist():
    """``make TARGET`` in a page is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for page in PAGES:
        assert set(re.findall(r"\bmake ([a-z-]+)", page.read_text("utf-8"))) <= targets


def test_the_recipes_of_the_readme_ship():
    """Every ``exagirl run NAME`` of the pages is a recipe."""
    for page in PAGES:
        named = re.findall(r"exagirl run ([a-z0-9][a-z0-9.-]+)", page.read_text("utf-8"))
        assert set(named) <= set(shipped_names())


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_files_stay_short(source):
    """One idea a file, under about 400 lines."""
    assert len(source.read_text("utf-8").splitlines()) <= 420
