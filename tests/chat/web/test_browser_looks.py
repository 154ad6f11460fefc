"""How the page looks on a phone, in the dark, and to strangers, in a real browser."""

import json
from threading import Event

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from exagirl.persona.character import Media, load_character
from support.browser import needs_browser
from support.talkers import Talker
from support.web_page import TunableTalker, bubbles, counted, drawer, opened, ready, say, served

pytestmark = [
    needs_browser,
    pytest.mark.slow,
    # Gradio 6.31 sums its queue up with options that pandas 3 gives up.
    pytest.mark.filterwarnings("ignore:.future.no_silent_downcasting"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PARTS = ("이야기", "답", "내보내기와 불러오기")
READABLE = 4.5
"""Contrast of text. Source: WCAG 2.2, 1.4.3 (AA)."""
CONTRAST = """
selector => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const bright = (rgb) => {
    const [r, g, b] = rgb.map(one => one / 255)
      .map(one => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll(selector)].filter(one => one.checkVisibility()).map(one => {
    const behind = [];
    for (let at = one; at; at = at.parentElement) {
      behind.unshift(getComputedStyle(at).backgroundColor);
    }
    const paper = over(["white", ...behind]);
    const ink = over(["white", ...behind, getComputedStyle(one).color]);
    const [light, dark] = [bright(paper), bright(ink)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  });
}
"""
"""Contrast of every visible element of a selector to what is behind it."""


class Slow(Talker):
    """Waits in the middle of a reply."""

    def __init__(self):
        super().__init__()
        self.release = Event()

    def speak(self, messages, stop):
        """Half a reply, and later the other half."""
        yield "음…"
        self.release.wait(60)
        yield " 응."


def all_in_view(window, selector):
    """True where all that is shown of a selector lies between the left and the right edge."""
    places = window.locator(selector).evaluate_all(
        "all => all.filter(one => one.checkVisibility())"
        ".map(one => one.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    )
    assert places
    return all(left >= 0 and right <= 390 for left, right in places)


@pytest.mark.parametrize("colour", ["#7b5cd6", "#ffee33"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_writing_can_be_read_by_day_and_by_night(chromium, tmp_path, scheme, colour):
    """Talk, buttons, drawer and box have the contrast that reading needs."""
    character = load_character("exa").model_copy(update={"media": Media(colours=(colour,))})
    with served(TunableTalker(), tmp_path, character=character) as address:
        window = opened(chromium, address, color_scheme=scheme)
        assert window.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
        say(window, "*손을 흔들며* 안녕")
        counted(window, 3)
        drawer(window, *PARTS)
        window.locator("#import").wait_for()
        for selector in (
            "#past .bubble",
            "#past .action",
            "#past .turn.last .tools button",
            "#who h1, #who p, #who nav button:not(:disabled)",
            ".composer textarea, .composer .send",
            ".drawer label > span, .drawer .label-wrap span:not(.icon)",
            ".drawer input:not([type=range]), .drawer textarea, .drawer button.sm",
            ".inside h4, .inside p, .inside li, .forget",
        ):
            found = window.evaluate(CONTRAST, selector)
            assert found, selector
            assert min(found) >= READABLE, (selector, found)


def test_on_a_phone_everything_is_within_reach(chromium, tmp_path):
    """Nothing lies beside the screen; the drawer is scrolled and closed by touch."""
    with served(TunableTalker(), tmp_path) as address:
        window = opened(chromium, address, **PHONE)
        say(window, "안녕")
        counted(window, 3)
        window.locator("[data-act=regenerate]").tap()
        window.locator(".swipes b").filter(has_text="2/2").wait_for()
        window.locator("[data-act=earlier]").tap()
        window.locator(".swipes b").filter(has_text="1/2").wait_for()
        for selector in ("#who nav button", ".swipes button", ".tools button", ".composer .send"):
            assert all_in_view(window, selector)
        drawer(window, *PARTS)
        window.locator("#import").scroll_into_view_if_needed()
        assert all_in_view(window, ".drawer input, .drawer textarea, .drawer button")
        assert window.evaluate("document.scrollingElement.scrollWidth") == 390
        window.locator(".sidebar .toggle-button").tap()
        window.locator(".sidebar:not(.open)").wait_for(state="attached")
        window.wait_for_timeout(400)
        window.locator("#say").tap()
        window.keyboard.type("또 안녕")
        window.locator(".composer .send").tap()
        counted(window, 5)


def test_what_was_said_first_is_not_under_the_head(chromium, tmp_path):
    """The page begins below it, on a phone and in a wide window."""
    with served(Talker("응."), tmp_path) as address:
        for look in (PHONE, {"viewport": {"width": 1200, "height": 800}}):
            window = opened(chromium, address, **look)
            window.locator(".greeting .bubble").wait_for()
            bottom, top = (
                window.locator(selector).bounding_box() for selector in ("#who", ".greeting")
            )
            assert bottom["y"] + bottom["height"] <= top["y"]


def test_beside_an_open_drawer_the_talk_stays_whole(chromium, tmp_path):
    """In a wide window the drawer covers nothing."""
    with served(Talker("응."), tmp_path) as address:
        window = opened(chromium, address, viewport={"width": 1200, "height": 800})
        say(window, "안녕")
        counted(window, 3)
        drawer(window)
        window.wait_for_timeout(500)
        edge = window.locator(".sidebar").bounding_box()["x"]
        for selector in ("#past .turn.user .bubble", ".composer .send", "[data-do=settings]"):
            place = window.locator(selector).last.bounding_box()
            assert place["x"] + place["width"] <= edge


def test_strangers_leave_nothing_behind_and_can_take_their_talk_along(chromium, tmp_path):
    """No list, no title, nothing on the disk; the page says so, and exports."""
    with served(Talker("하나."), tmp_path, is_kept=False) as address:
        window = opened(chromium, address)
        say(window, "비밀이야")
        counted(window, 3)
        drawer(window, "내보내기와 불러오기")
        assert not window.locator("#chats").is_visible()
        assert not window.locator("#title").is_visible()
        assert "저장하지 않아요" in window.locator("#forget").inner_text()
        with window.expect_download() as download:
            window.locator("#export").click()
        path = tmp_path / "out.jsonl"
        download.value.save_as(path)
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        assert [row["mes"] for row in rows[2:]] == ["비밀이야", "하나."]
        path.unlink()
        other = opened(chromium, address)
        assert bubbles(other) == []
        window.reload()
        ready(window)
        assert bubbles(window) == []
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_others_sees_their_own_words_meanwhile(chromium, tmp_path):
    """The model answers one after another; nobody's words seem lost."""
    slow = Slow()
    with served(slow, tmp_path, is_kept=False) as address:
        first, second = opened(chromium, address), opened(chromium, address)
        say(first, "먼저")
        first.locator("#live .turn").wait_for()
        say(second, "<b>나중</b>")
        second.locator("#waiting .turn.user").wait_for()
        assert second.locator("#waiting .turn.user .bubble").inner_text() == "<b>나중</b>"
        assert "차례" in second.locator("#waiting").inner_text()
        slow.release.set()
        counted(second, 3)
        assert bubbles(second) == ["<b>나중</b>", "음… 응."]
        assert second.locator("#waiting .turn").count() == 0


def test_words_that_wait_can_be_taken_back(chromium, tmp_path):
    """Stop works before the reply has begun; what was typed goes back into the box."""
    slow = Slow()
    with served(slow, tmp_path, is_kept=False) as address:
        first, second = opened(chromium, address), opened(chromium, address)
        say(first, "먼저")
        first.locator("#live .turn").wait_for()
        say(second, "아니다")
        second.locator("#waiting .turn.user").wait_for()
        second.locator("button.is-stop").click()
        second.wait_for_timeout(300)
        slow.release.set()
        second.wait_for_function("document.querySelector('#say').value === '아니다'")
        counted(second, 1)
        say(second, "다시")
        counted(second, 3)
        assert bubbles(second) == ["다시", "음… 응."]
