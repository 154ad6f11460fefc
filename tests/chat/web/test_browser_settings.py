"""The drawer and the head of the page in a real browser."""

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from support.browser import needs_browser
from support.talkers import Talker
from support.web_page import bubbles, opened, say, served, settled

pytestmark = [
    needs_browser,
    pytest.mark.slow,
    # Gradio 6.31 sums its queue up with options that pandas 3 gives up.
    pytest.mark.filterwarnings("ignore:.future.no_silent_downcasting"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


def greeting(window):
    """What the character opened with."""
    return window.locator(".greeting .bubble").inner_text()


def test_another_name_is_used_at_once(chromium, tmp_path):
    """The greeting calls the person by it, with the right particle."""
    with served(Talker("{유저}야, 안녕!"), tmp_path) as address:
        window = opened(chromium, address)
        assert "민준" in greeting(window)
        window.locator("[data-do=settings]").click()
        window.locator("#user input, #user textarea").first.fill("서연")
        window.locator("#persona textarea").fill("고양이를 기르는 대학생")
        window.locator("#user input, #user textarea").first.focus()
        window.wait_for_function(
            "document.querySelector('.greeting .bubble').innerText.includes('서연')"
        )


def test_greetings_can_be_leafed_through_before_the_talk(chromium, tmp_path):
    """Once something was said, the greeting stays."""
    with served(Talker("응."), tmp_path) as address:
        window = opened(chromium, address)
        before = greeting(window)
        window.locator(".greeting [data-act=greeting]").last.click()
        window.wait_for_function(
            "before => document.querySelector('.greeting .bubble').innerText !== before",
            arg=before,
        )
        assert window.locator(".greeting .swipes b").inner_text() == "2/3"
        say(window, "안녕")
        settled(window)
        window.wait_for_function("document.querySelectorAll('#past .turn').length === 3")
        assert window.locator(".greeting .swipes").count() == 0


def test_what_is_pinned_reaches_the_model(chromium, tmp_path):
    """A fact a line."""
    talker = Talker("응.")
    with served(talker, tmp_path) as address:
        window = opened(chromium, address)
        window.locator("[data-do=settings]").click()
        window.get_by_text("이야기", exact=True).click()
        window.locator("#pins textarea").fill("민준의 생일은 삼월이다.")
        window.locator("#note textarea").focus()
        window.locator("[data-act=undo]:not([disabled])").wait_for()
        say(window, "안녕")
        window.wait_for_function("document.querySelectorAll('#past .turn').length === 3")
    assert "민준의 생일은 삼월이다." in str(talker.heard[0])


def test_an_earlier_chat_is_opened_from_the_drawer(chromium, tmp_path):
    """It stands in the list by its first words."""
    with served(Talker("하나."), tmp_path) as address:
        window = opened(chromium, address)
        say(window, "첫 번째 이야기")
        window.wait_for_function("document.querySelectorAll('#past .turn').length === 3")
        settled(window)
        window.locator("[data-act=new]").click()
        window.wait_for_function("document.querySelectorAll('#past .turn').length === 1")
        window.locator("[data-do=settings]").click()
        window.locator("#chats input").click()
        window.get_by_role("option").filter(has_text="첫 번째 이야기").click()
        window.wait_for_function("document.querySelectorAll('#past .turn').length === 3")
        assert bubbles(window) == ["첫 번째 이야기", "하나."]


def test_the_voice_is_silent_until_it_is_switched_on(chromium, tmp_path):
    """Then the reply is spoken in Korean, without its actions."""
    spoken = (
        "window.spoken = []; speechSynthesis.speak = said => spoken.push([said.lang, said.text]); 0"
    )
    with served(Talker("*웃으며* 안녕!"), tmp_path) as address:
        window = opened(chromium, address)
        window.evaluate(spoken)
        say(window, "안녕")
        window.wait_for_function("document.querySelectorAll('#past .turn').length === 3")
        settled(window)
        assert window.evaluate("spoken") == []
        window.locator("[data-do=speech]").click()
        say(window, "또 안녕")
        window.wait_for_function("spoken.length === 1")
        assert window.evaluate("spoken") == [["ko-KR", "안녕!"]]
