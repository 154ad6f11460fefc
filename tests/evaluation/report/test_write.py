"""The report of an evaluation: one page that holds everything, harms nobody and never changes."""

import re
from html.parser import HTMLParser

import pytest

from exagirl.dialogue.records import Turn
from exagirl.evaluation.report.write import render_report, write_report
from exagirl.evaluation.scores import Evaluation, Finding, ModelScores, Quote, Trouble
from support.browser import needs_browser, open_page
from support.evaluations import certificate, changes, evaluation, measure, model, quotes, reply

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u202egnp.exe\u2066 \x00 &amp;"
_VOID = {"meta", "br", "img", "link", "input", "hr"}


class _Page(HTMLParser):
    """Tags as they nest, attributes, and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.faults, self.said = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))

    def handle_data(self, data):
        self.said.append(data)

    @property
    def text(self):
        return "".join(self.said)


def page_of(one):
    """The page of an evaluation, parsed."""
    return _Page(render_report(one))


@pytest.mark.parametrize("trusted", [True, False])
def test_the_page_is_well_formed(trusted):
    """Every element that opens is closed in its turn."""
    page = page_of(evaluation(trusted=trusted))
    assert (page.faults, page.open) == ([], [])
    assert {"h1", "table", "svg", "details", "figure"} <= set(page.tags)


def test_the_page_asks_nobody_and_runs_nothing():
    """No script, no address, no file beside it, and a policy that forbids them."""
    text = render_report(evaluation())
    page = _Page(text)
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "href", "srcset")]
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text)
    assert "default-src 'none'" in text


def test_the_same_evaluation_gives_the_same_bytes(tmp_path):
    """Also after it was written to JSON and read back."""
    one = evaluation()
    first = write_report(one, tmp_path / "a").read_bytes()
    read_back = Evaluation.model_validate_json(one.model_dump_json())
    assert write_report(read_back, tmp_path / "b").read_bytes() == first


def test_every_measure_is_in_the_tables():
    """With its value and its key, whether it is a main one or not."""
    one = evaluation()
    text = page_of(one).text
    for found in one.models[0].measures:
        assert found.name in text
    assert "3.42비트" in text
    assert "2.18비트" in text


def test_a_measure_without_a_value_says_why():
    """A dash and the note, no zero."""
    page = page_of(evaluation())
    assert "답이 열 개보다 적어 재지 않았습니다." in page.text
    assert re.search(r"self_bleu.*?–", page.text, re.S)


def test_an_unknown_measure_is_shown_by_its_key():
    """Also where it is the only one, and with an unknown fault, part and kind."""
    odd = model("base", "학습 전", "b4se", 0, measures=(measure("charm.of_voice", 0.25),), drift=())
    page = page_of(evaluation(models=(odd,), changes=(), quotes=(), arena=(), ranking=None))
    assert page.text.count("charm.of_voice") >= 2
    assert "25%" in page.text


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_values_that_are_no_numbers_break_nothing(value):
    """Neither in a card nor in a picture nor in a change."""
    odd = measure("level", None).model_copy(update={"value": value, "low": value, "high": value})
    models = tuple(
        model(name, name, "c", 0, measures=(odd, measure("voice", 0.4)))
        for name in ("base", "tuned")
    )
    broken = changes()[0].model_copy(update={"difference": value, "low": value, "high": value})
    text = render_report(evaluation(models=models, changes=(broken,)))
    assert _Page(text).faults == []
    assert not re.search(r'"(nan|inf|None)', text)


def test_an_evaluation_of_nothing_is_a_page():
    """No models, no changes, no quotes: the trouble is told."""
    nothing = Evaluation(
        run="r",
        character="엑사",
        level=None,
        models=(),
        troubles=(Trouble(part="heldout", message="남겨 둔 대화가 없습니다."),),
    )
    page = page_of(nothing)
    assert page.faults == []
    assert "남겨 둔 대화가 없습니다." in page.text


def test_what_strangers_wrote_is_no_markup():
    """A reply, a finding, a label, a trouble, a prompt and a run's name are all text."""
    bad = reply(EVIL, findings=(Finding(code=EVIL, message=EVIL, excerpt=EVIL),), scenario=EVIL)
    bad = bad.model_copy(update={"before": (Turn(role="user", content=EVIL),), "kind": EVIL})
    one = evaluation(
        run=EVIL,
        character=EVIL,
        models=(
            model("base", EVIL, EVIL, 0, findings={EVIL: 1}),
            model(EVIL, EVIL, "d", 1, measures=(measure(EVIL, 0.5, note=EVIL),)),
        ),
        quotes=(Quote(why="worst", reply=bad, score=0),),
        troubles=(Trouble(part=EVIL, message=EVIL),),
        repeat={EVIL: EVIL, "nested": [{EVIL: EVIL}]},
        certificate=certificate(is_trusted=False).model_copy(
            update={"judge": EVIL, "reason": EVIL}
        ),
    )
    text = render_report(one)
    page = _Page(text)
    assert page.faults == []
    assert {"script", "img"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not set("\x00\u202e\u2066") & set(text)
    assert "<script>alert(1)</script>" in page.text
    assert "⟨U+202E⟩" in page.text


def test_huge_replies_are_cut_and_the_page_stays_small(tmp_path):
    """A reply of a megabyte, a hundred of them, and prompts without end."""
    huge = "'" * 1_000_000
    bad = reply(huge, findings=tuple(Finding(code="x", message=huge) for _ in range(50)))
    bad = bad.model_copy(
        update={"before": tuple(Turn(role="user", content=huge) for _ in range(40))}
    )
    one = evaluation(
        quotes=tuple(Quote(why=why, reply=bad, score=0) for why in ("best", "worst")) * 20,
        troubles=tuple(Trouble(part="facts", message=huge) for _ in range(100)),
        repeat={"prompts": [huge, huge], "questions": dict.fromkeys(map(str, range(99_999)))},
    )
    path = write_report(one, tmp_path)
    assert path.stat().st_size < 1_500_000
    assert "자 더)" in path.read_text("utf-8")


def test_actions_are_set_apart():
    """*행동* stands in italics, in the reply and before it."""
    text = render_report(evaluation())
    assert '<em class="action">*살며시 손을 잡으며*</em>' in text
    assert '<em class="action">*두 팔을 벌리며*</em>' in text


def test_a_judge_that_is_not_trusted_is_told_at_the_top():
    """In a red box with its reason, before the scorecard; its numbers are marked in words."""
    text = render_report(evaluation(trusted=False))
    assert 'role="alert"' in text
    assert text.index("절반도 찾지 못했습니다") < text.index('class="cards"')
    assert text.count("심사 못 믿음") > 6


def test_a_judge_that_is_trusted_greys_nothing():
    """No alarm, no doubt."""
    text = render_report(evaluation())
    assert 'role="alert"' not in text
    assert "심사 못 믿음" not in text


def test_a_doubtful_judge_does_not_count_in_the_summary():
    """The tally of what got better leaves out the interview."""
    better = r"좋아짐 (\d+)"
    trusted = int(re.search(better, render_report(evaluation()))[1])
    doubted = int(re.search(better, render_report(evaluation(trusted=False)))[1])
    judged = [c for c in changes() if c.name.startswith("interview") and c.verdict == "better"]
    assert trusted - doubted == len(judged) > 0


def test_verdicts_are_words_and_signs():
    """Not colour alone."""
    text = page_of(evaluation()).text
    for said in ("▲ 좋아짐", "▼ 나빠짐", "＝ 차이를 알 수 없음", "? 재지 못함"):
        assert said in text


def test_an_empty_reply_is_said_to_be_one():
    """It is quoted, not skipped."""
    empty = Quote(why="worst", reply=reply(""), score=-5)
    assert "(빈 답)" in page_of(evaluation(quotes=(empty,))).text


def test_everything_to_repeat_it_is_there():
    """Digests, seed, versions, options and prompts."""
    text = page_of(evaluation()).text
    for said in ("b4se" * 16, "seed", "2.13.0", "max_new_tokens", "당신은 심사위원입니다."):
        assert said in text


def test_many_models_stand_side_by_side():
    """A card then shows each of them."""
    more = tuple(model(f"run{n}", f"실행 {n}", f"{n}", n % 2) for n in range(9))
    page = page_of(evaluation(models=more, changes=changes("run1", "run0"), quotes=quotes()))
    assert page.faults == []
    assert page.text.count("실행 8") > 10


def test_a_model_without_measures_is_shown():
    """It has dashes, not another's numbers."""
    bare = ModelScores(name="tuned", label="학습 후", digest="", measures=())
    assert "재지 않음" in page_of(evaluation(models=(*evaluation().models[:1], bare))).text


@needs_browser
def test_a_browser_shows_it_at_the_width_of_a_phone(tmp_path):
    """Nothing but tables, which scroll by themselves, is wider than the page."""
    text = render_report(evaluation(trusted=False))
    probe = (
        "<script>document.title = [document.documentElement.scrollWidth, innerWidth,"
        "document.querySelectorAll('svg').length].join(' ')</script></body>"
    )
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    page = tmp_path / "page.html"
    page.write_text(text.replace("</body>", probe), encoding="utf-8")
    shown = open_page(page, tmp_path, "--window-size=500,900")
    wide, window, pictures = map(int, re.search(r"<title>(.*?)</title>", shown)[1].split())
    assert wide <= window
    assert pictures > 30
