"""The voting sheet is blind, and its votes are counted as they were given."""

import json
import re

import pytest

from exagirl.errors import ArtifactError
from exagirl.evaluation.votes.records import SheetKey
from exagirl.evaluation.votes.score import score_votes
from exagirl.evaluation.votes.sheet import KEY, write_sheet
from support.browser import needs_browser, open_page
from support.evaluations import reply

EVIL = "</script><script>document.title='broken'</script>"


def replies(count=10):
    """Both models' replies to the same words; each says who wrote it."""
    return [
        reply(f"*웃으며* {words} 대답 {number}", of, f"scene-{number}", asked=f"물음 {number}")
        for of, words in (("tuned", "가"), ("base", "나"))
        for number in range(count)
    ]


def make(folder, found=None, **options):
    """A sheet, its key, and the data of its page."""
    facts = {"character": "엑사", "seed": 7} | options
    page = write_sheet(replies() if found is None else found, folder, **facts)
    text = page.read_text("utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    return page, SheetKey.model_validate_json((folder / KEY).read_text("utf-8")), data


def ballot(folder, key, voter, choose, **changes):
    """A voter's file; ``choose`` gets a pair and says ``one``, ``other``, ``tie`` or None."""
    votes = {}
    for pair in key.pairs:
        wanted = choose(pair)
        if wanted == "tie":
            votes[pair.id] = "tie"
        elif wanted:
            model = key.one if wanted == "one" else key.other
            votes[pair.id] = "left" if pair.left == model else "right"
    path = folder / f"{len(list(folder.iterdir()))}.json"
    facts = {"format": 1, "sheet": key.sheet, "voter": voter, "votes": votes} | changes
    path.write_text(json.dumps(facts), encoding="utf-8")
    return path


def test_the_page_does_not_say_whose_a_reply_is(tmp_path):
    """Neither the names of models nor those of scenarios stand in it, nor the seed."""
    page, key, _ = make(tmp_path, seed=987654)
    text = page.read_text("utf-8")
    for hidden in ("tuned", "base", "scene-", "987654"):
        assert hidden not in text
    assert {key.one, key.other} == {"tuned", "base"}


def test_each_model_stands_on_the_left_as_often(tmp_path):
    """So that a preference for one side helps nobody; and not in an order that shows."""
    _, key, data = make(tmp_path)
    lefts = [pair.left for pair in key.pairs]
    assert lefts.count("tuned") == lefts.count("base") == 5
    assert [pair.scenario for pair in key.pairs] != sorted(pair.scenario for pair in key.pairs)
    told = [
        ["가" in str(pair["left"]), one.left]
        for pair, one in zip(data["pairs"], key.pairs, strict=True)
    ]
    assert all((is_tuned, left) in ((True, "tuned"), (False, "base")) for is_tuned, left in told)


def test_the_same_seed_gives_the_same_sheet(tmp_path):
    """Another seed gives another."""
    first = make(tmp_path / "a")[0].read_bytes()
    assert make(tmp_path / "b")[0].read_bytes() == first
    assert make(tmp_path / "c", seed=8)[0].read_bytes() != first


def test_only_replies_to_the_same_words_are_paired(tmp_path):
    """Not those to another conversation, nor two that say the same."""
    found = [
        *replies(1),
        reply("가", "tuned", "x", asked="하나"),
        reply("나", "base", "x", asked="둘"),
        reply("같은 말", "tuned", "y"),
        reply("같은 말 ", "base", "y"),
    ]
    assert len(make(tmp_path, found)[1].pairs) == 1


def test_without_pairs_there_is_no_sheet(tmp_path):
    """The message says what to do; nothing is written."""
    with pytest.raises(ArtifactError, match="exagirl evaluate"):
        make(tmp_path, [one for one in replies() if one.model == "base"])
    assert list(tmp_path.iterdir()) == []


def test_a_reply_cannot_leave_its_place(tmp_path):
    """What ends a script element in a reply does not end that of the page."""
    bad = [reply(EVIL, "tuned"), reply("나", "base")]
    page, _, data = make(tmp_path, bad, character=EVIL)
    assert EVIL in json.dumps(data, ensure_ascii=False)
    assert page.read_text("utf-8").count("<script") == 2


def test_votes_are_counted_by_person_and_by_pair(tmp_path):
    """Two of three people make a pair's winner; a tie of people decides nothing."""
    _, key, _ = make(tmp_path)
    (tmp_path / "in").mkdir()
    first = {pair.id for pair in key.pairs[:6]}
    paths = [
        ballot(tmp_path / "in", key, "가람", lambda pair: "one"),
        ballot(tmp_path / "in", key, "나래", lambda pair: "one" if pair.id in first else "other"),
        ballot(tmp_path / "in", key, "다솜", lambda pair: "tie" if pair.id in first else None),
    ]
    result = score_votes(paths, tmp_path / KEY)
    assert (result.wins, result.ties, result.losses) == (16, 6, 4)
    assert (result.pairs, result.pair_wins, result.pair_losses) == (10, 6, 0)
    assert result.win_rate == 1.0
    assert result.low == pytest.approx(0.6097, abs=1e-4)  # Wilson, 6 of 6
    assert [(one.voter, one.wins, one.ties, one.losses) for one in result.voters] == [
        ("가람", 10, 0, 0),
        ("나래", 6, 0, 4),
        ("다솜", 0, 6, 0),
    ]


def test_people_who_agree_have_an_alpha_of_one(tmp_path):
    """And one voter alone has none."""
    _, key, _ = make(tmp_path)
    (tmp_path / "in").mkdir()
    first = key.pairs[0].id

    def choose(pair):
        return "other" if pair.id == first else "one"

    paths = [ballot(tmp_path / "in", key, name, choose) for name in ("가람", "나래")]
    assert score_votes(paths, tmp_path / KEY).alpha == pytest.approx(1.0)
    assert score_votes(paths[:1], tmp_path / KEY).alpha is None


def test_only_ties_make_no_win_rate(tmp_path):
    """None, and no division by zero."""
    _, key, _ = make(tmp_path)
    (tmp_path / "in").mkdir()
    result = score_votes([ballot(tmp_path / "in", key, "가람", lambda pair: "tie")], tmp_path / KEY)
    assert (result.win_rate, result.ties) == (None, 10)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sheet": "another"}, "다른 투표지"),
        ({"format": 2}, "형식 2"),
        ({"votes": {"nowhere": "left"}}, "투표지에 없는 짝"),
        ({"votes": {"a": "middle"}}, "votes"),
        ({"votes": {}}, "비어"),
        ({"voter": ""}, "voter"),
        ({"voter": "   "}, "비어"),
        ({"more": 1}, "more"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused(tmp_path, changes, words):
    """The message names the file and what is wrong with it."""
    _, key, _ = make(tmp_path)
    (tmp_path / "in").mkdir()
    facts = {"voter": "가람"} | changes
    path = ballot(tmp_path / "in", key, choose=lambda pair: "one", **facts)
    with pytest.raises(ArtifactError, match=words) as fault:
        score_votes([path], tmp_path / KEY)
    assert str(path) in str(fault.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"{" * 5000, b" " * 1_000_001])
def test_a_file_that_is_no_vote_at_all_is_refused(tmp_path, content):
    """Empty, of another form, no text, nested without end, huge."""
    make(tmp_path)
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="bad.json"):
        score_votes([path], tmp_path / KEY)


def test_nobody_votes_twice(tmp_path):
    """The same name in two files is refused, however it is written."""
    _, key, _ = make(tmp_path)
    (tmp_path / "in").mkdir()
    paths = [ballot(tmp_path / "in", key, name, lambda pair: "one") for name in ("Kim", " kim")]
    with pytest.raises(ArtifactError, match="에도 있습니다"):
        score_votes(paths, tmp_path / KEY)


def test_without_a_key_the_message_says_how_to_make_one(tmp_path):
    """The sheet was made elsewhere, or never."""
    with pytest.raises(ArtifactError, match="--sheet"):
        score_votes([tmp_path / "a.json"], tmp_path / KEY)


@needs_browser
def test_a_browser_votes_by_keyboard_and_saves_what_counts(tmp_path):
    """Arrows choose and go on, Backspace goes back; the saved file is a ballot that counts."""
    found = [*replies(3), reply(EVIL, "tuned", "evil"), reply("나", "base", "evil")]
    page, key, _ = make(tmp_path, found)
    driver = """<script>
      var find = function (id) { return document.getElementById(id); };
      var press = function (key) {
        document.dispatchEvent(new KeyboardEvent("keydown", { key: key })); };
      URL.createObjectURL = function (blob) { blob.text().then(function (text) {
        var out = document.createElement("output"); out.textContent = text; out.id = "saved";
        out.dataset.kept = localStorage.length; document.body.appendChild(out); }); return "#"; };
      ["ArrowLeft", "ArrowRight", "Backspace", "ArrowDown", "ArrowLeft", "2"].forEach(
        function (key, at) { setTimeout(function () { press(key); }, 300 * at); });
      setTimeout(function () {
        find("save").click(); find("voter").value = "가람 <b>"; find("save").click(); }, 2500);
    </script></body>"""
    text = page.read_text("utf-8").replace("</body>", driver)
    page.write_text(text, encoding="utf-8")
    shown = open_page(page, tmp_path, wait_ms=6000)
    kept, saved = re.search(r'data-kept="(\d)">(.*?)</output>', shown, re.S).groups()
    told = saved.replace("&lt;", "<").replace("&gt;", ">")
    votes = json.loads(told)["votes"]
    assert [votes[pair.id] for pair in key.pairs] == ["left", "tie", "left", "right"]
    assert kept == "1"
    assert "<title>broken" not in shown
    path = tmp_path / "votes.json"
    path.write_text(told, encoding="utf-8")
    result = score_votes([path], tmp_path / KEY)
    assert (result.wins + result.losses, result.ties) == (3, 1)
    assert result.voters[0].voter == "가람 <b>"
