"""Settings that are made in the drawer, in a real browser."""

import re

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from exagirl.persona.card import write_card
from support.browser import needs_browser
from support.pictures import red_png
from support.talkers import Talker, plain_character
from support.web_page import (
    TunableTalker,
    bubbles,
    counted,
    drawer,
    opened,
    ready,
    say,
    served,
    slide,
)

pytestmark = [
    needs_browser,
    # Gradio 6.31 sums its queue up with options that pandas 3 gives up.
    pytest.mark.filterwarnings("ignore:.future.no_silent_downcasting"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


def slid(window):
    """Where temperature and length stand."""
    sliders = [window.locator(f"#{name} input[type=range]") for name in ("temperature", "length")]
    return [float(slider.input_value()) for slider in sliders]


def remembered(window):
    """Wait until the browser has written down what was chosen last."""
    before = window.evaluate("localStorage.getItem('exagirl-draws')")
    yield
    window.wait_for_function(
        "before => localStorage.getItem('exagirl-draws') !== before", arg=before
    )


def choose(window, name, value):
    """Move a slider, and wait until the browser remembers it."""
    waits = remembered(window)
    next(waits)
    slide(window, name, value)
    next(waits, None)


def test_temperature_and_length_hold_from_the_first_message_on_and_survive_a_reload(
    chromium, tmp_path
):
    """The browser remembers them; the model draws by them."""
    with served(TunableTalker(), tmp_path) as address:
        window = opened(chromium, address)
        drawer(window, "답")
        choose(window, "temperature", 1.2)
        choose(window, "length", 64)
        say(window, "더워?")
        counted(window, 3)
        assert bubbles(window)[1] == "1.2도, 64토큰."
        window.reload()
        ready(window)
        counted(window, 3)
        say(window, "아직도?")
        counted(window, 5)
        assert bubbles(window)[3] == "1.2도, 64토큰."
        drawer(window, "답")
        assert slid(window) == [1.2, 64]


@pytest.mark.slow
def test_a_model_that_cannot_be_tuned_shows_no_sliders(chromium, tmp_path):
    """Nothing on the page is without effect."""
    with served(Talker("응."), tmp_path) as address:
        window = opened(chromium, address)
        drawer(window)
        assert window.get_by_text("내보내기와 불러오기", exact=True).is_visible()
        assert window.get_by_text("답", exact=True).count() == 0


@pytest.mark.slow
def test_note_and_depth_of_before_the_first_message_survive_a_reload(chromium, tmp_path):
    """The chat is stored with its first setting; the note stands at its depth."""
    talker = Talker("응.")
    with served(talker, tmp_path) as address:
        window = opened(chromium, address)
        drawer(window, "이야기")
        window.locator("#note textarea").fill("밖에 비가 온다.")
        window.locator("#pins textarea").focus()
        window.wait_for_function("location.search.includes('chat=')")
        slide(window, "depth", 0)
        window.wait_for_function("document.querySelector('[data-act=undo]').title !== ''")
        window.reload()
        ready(window)
        drawer(window, "이야기")
        assert window.locator("#note textarea").input_value() == "밖에 비가 온다."
        assert window.locator("#depth input[type=range]").input_value() == "0"
        say(window, "안녕")
        counted(window, 3)
    assert "밖에 비가 온다." in talker.heard[0][-1]["content"]


@pytest.mark.slow
def test_the_drawer_shows_what_the_character_has_in_mind(chromium, tmp_path):
    """Lore that fired is marked; the context is measured."""
    with served(Talker("책 읽고 있었어."), tmp_path) as address:
        window = opened(chromium, address)
        say(window, "그 고양이 책갈피 어디서 났어?")
        counted(window, 3)
        drawer(window, "이야기")
        window.locator("#inside li.now").first.wait_for()
        assert "책갈피" in window.locator("#inside li.now").first.inner_text()
        assert re.search(r"\d / [\d,]+토큰", window.locator("#inside").inner_text())


@pytest.mark.slow
def test_a_chat_gets_a_title_and_is_deleted_after_a_second_thought(chromium, tmp_path):
    """One touch asks, the next one deletes; the list follows."""
    with served(Talker("응."), tmp_path) as address:
        window = opened(chromium, address)
        say(window, "안녕")
        counted(window, 3)
        drawer(window)
        title = window.locator("#title textarea, #title input").first
        title.fill("바닷가 이야기")
        window.locator("#persona textarea").focus()
        window.wait_for_function("document.querySelector('[data-act=undo]').title === '제목'")
        window.reload()
        ready(window)
        counted(window, 3)
        drawer(window)
        window.locator("#chats input").click()
        assert window.get_by_role("option").filter(has_text="바닷가 이야기").count() == 1
        window.keyboard.press("Escape")
        forget = window.locator("[data-do=forget]")
        forget.click()
        assert "정말" in forget.inner_text()
        assert len(bubbles(window)) == 2
        forget.click()
        counted(window, 1)
        assert "chat=" not in window.url
        assert window.locator("[data-do=forget]").count() == 0
        window.locator("#chats").wait_for(state="hidden")


@pytest.mark.slow
def test_the_picture_of_a_card_is_the_face_on_the_page(chromium, tmp_path):
    """As we encoded it, and loaded from nowhere."""
    card = write_card(plain_character("하루"), tmp_path / "haru.png", portrait=red_png())
    with served(Talker("응."), tmp_path) as address:
        window, asked = opened(chromium, address), []
        window.on("request", lambda request: asked.append(request.url))
        drawer(window)
        with window.expect_file_chooser() as chooser:
            window.locator("#card").click()
        chooser.value.set_files(card)
        window.wait_for_function("document.querySelector('#who h1').innerText === '하루'")
        face = window.locator("#who img")
        assert face.get_attribute("src").startswith("data:image/webp;base64,")
        assert face.evaluate("one => [one.complete, one.naturalWidth]") == [True, 256]
        assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
