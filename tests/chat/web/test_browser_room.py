"""Several characters in one conversation, in a real browser."""

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from exagirl.persona.character import load_character
from support.browser import needs_browser
from support.talkers import Talker
from support.web_page import counted, drawer, opened, ready, say, served

pytestmark = [
    needs_browser,
    pytest.mark.slow,
    # Gradio 6.31 sums its queue up with options that pandas 3 gives up.
    pytest.mark.filterwarnings("ignore:.future.no_silent_downcasting"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

BUTLER, SISTER = (load_character(name).name for name in ("butler", "sister"))


def gathered(window, *names):
    """Call others into the room."""
    drawer(window)
    for name in names:
        window.locator("#others input").click()
        window.get_by_role("option").filter(has_text=name).click()
        window.wait_for_function(
            "name => document.querySelector('#who h1').innerText.includes(name)", arg=name
        )
    window.keyboard.press("Escape")
    window.locator(".sidebar .toggle-button").click()


def speakers(window):
    """Who said what the window shows."""
    return window.locator("#past .turn .speaker").all_inner_texts()


def test_who_is_called_answers_and_anybody_can_be_asked_to_speak(chromium, tmp_path):
    """Every bubble has a name and a face; the room is open again after a reload."""
    with served(Talker("응."), tmp_path) as address:
        window = opened(chromium, address)
        gathered(window, BUTLER, SISTER)
        assert window.locator("#who img").count() == 3
        say(window, f"{SISTER}, 자?")
        counted(window, 3)
        assert speakers(window) == ["엑사", SISTER]
        window.locator("[data-act=speak]").filter(has_text=BUTLER).click()
        counted(window, 4)
        assert speakers(window) == ["엑사", SISTER, BUTLER]
        faces = window.locator("#past .face").evaluate_all(
            "all => all.map(one => getComputedStyle(one).backgroundImage.slice(0, 15))"
        )
        assert set(faces) == {'url("data:image'}
        window.reload()
        ready(window)
        counted(window, 4)
        assert speakers(window) == ["엑사", SISTER, BUTLER]


def test_a_room_is_opened_from_the_list(chromium, tmp_path):
    """With everybody in it."""
    with served(Talker("응."), tmp_path) as address:
        window = opened(chromium, address)
        gathered(window, BUTLER)
        say(window, "다들 안녕")
        counted(window, 3)
        other = opened(chromium, address)
        drawer(other)
        other.locator("#chats input").click()
        other.get_by_role("option").filter(has_text="다들 안녕").click()
        counted(other, 3)
        assert other.locator("#who h1").inner_text() == f"엑사 · {BUTLER}"
        assert other.locator("#others .token").all_inner_texts() == [BUTLER]


def test_a_reply_in_a_room_is_drawn_anew_by_who_gave_it(chromium, tmp_path):
    """Versions stay with their speaker."""
    with served(Talker("하나.", "둘."), tmp_path) as address:
        window = opened(chromium, address)
        gathered(window, BUTLER)
        say(window, f"{BUTLER}, 안녕")
        counted(window, 3)
        window.locator("[data-act=regenerate]").click()
        window.locator(".swipes b").filter(has_text="2/2").wait_for()
        assert speakers(window) == ["엑사", BUTLER]
