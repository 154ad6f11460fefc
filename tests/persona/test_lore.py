"""The lorebook comes to mind by words of the talk."""

from exagirl.persona.lore import recall
from exagirl.persona.parts import Lorebook, LoreEntry


def told(lines, *entries, **book):
    """The contents that come to mind."""
    lorebook = Lorebook(entries=[LoreEntry(**entry) for entry in entries], **book)
    return [entry.content for entry in recall(lorebook, lines)]


def test_a_key_is_found_with_its_particle():
    """Korean words run into their particles; case does not matter."""
    assert told(["용이랑 놀자"], {"keys": ["용"], "content": "A"}) == ["A"]
    assert told(["dragon!"], {"keys": ["Dragon"], "content": "A"}) == ["A"]
    assert told(["고양이"], {"keys": ["용"], "content": "A"}) == []


def test_a_secondary_key_must_come_too():
    """One of them is enough."""
    entry = {"keys": ["용"], "secondary_keys": ["산", "불"], "content": "A"}
    assert (told(["용"], entry), told(["용이 불을"], entry)) == ([], ["A"])


def test_only_the_last_lines_are_looked_at():
    """As many as scan_depth."""
    entry = {"keys": ["용"], "content": "A"}
    assert told(["용", "응", "그래"], entry, scan_depth=2) == []
    assert told(["용"], entry, scan_depth=0) == []


def test_a_short_budget_keeps_what_is_always_known():
    """Then by order; what does not fit is left out, not cut."""
    constant = {"keys": [], "content": "가" * 10, "constant": True, "order": 9}
    other = {"keys": ["용"], "content": "나" * 10, "order": 1}
    assert told(["용"], other, constant, budget_tokens=8) == [constant["content"]]
    assert told(["용"], other, constant, budget_tokens=16) == [
        other["content"],
        constant["content"],
    ]


def test_what_is_switched_off_stays_away():
    """As is an entry without a text."""
    assert told(["용"], {"keys": ["용"], "content": "A", "enabled": False}) == []
    assert told(["용"], {"keys": ["용"], "content": " "}) == []


def test_a_regular_expression_is_never_run():
    """One that is words is searched as words; a catastrophic one matches nothing, at once."""
    bad = {"keys": ["(a+)+$"], "content": "A", "use_regex": True}
    words = {"keys": ["/용|드래곤/i"], "content": "B", "use_regex": True}
    assert told(["a" * 100_000 + "! 드래곤이다"], bad, words) == ["B"]


def test_decorators_are_not_said_and_cost_nothing():
    """The text is what counts."""
    entry = {"keys": ["용"], "content": "@@depth 4\n용."}
    assert told(["용"], entry, budget_tokens=2) == [entry["content"]]
