"""A fault in a file is told with its place, what stands there and what may stand there."""

import re
import tracemalloc
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from exagirl.record import MAX_YAML_BYTES, Record, explain, known_keys, read_yaml


class Leaf(Record):
    """Something deep inside."""

    mode: Literal["fast", "slow"] = "fast"
    size: int = Field(default=1, ge=1, le=9)
    note: str | None = None
    targets: Literal["all", "none"] | tuple[str, ...] = "all"


class Tree(Record):
    """A record with records in lists and dicts."""

    name: str = Field(min_length=1, pattern=r"^[a-z]+$")
    leaf: Leaf = Leaf()
    leaves: tuple[Leaf, ...] = ()
    by_name: dict[str, Leaf] = Field(default_factory=dict)
    rows: tuple[tuple[Leaf, ...], ...] = ()


def told(**values):
    """What is said about a tree with a fault."""
    with pytest.raises(ValidationError) as caught:
        Tree.model_validate({"name": "oak", **values})
    return explain(Tree, caught.value, "tree.yaml")


def refused(tmp_path, text):
    """What is said about a file that is no such YAML."""
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=".") as caught:
        read_yaml(path)
    assert caught.type is ValueError
    return str(caught.value)


def test_a_record_cannot_be_changed():
    """Records are values."""
    with pytest.raises(ValidationError):
        Leaf().size = 2


def test_a_fault_is_told_with_its_file_and_key():
    """The file comes first, then the path of keys."""
    assert told(leaf={"size": 0}).startswith("tree.yaml: leaf.size: ")


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"leaves": [{}, {"size": 0}]}, "leaves.1.size"),
        ({"by_name": {"하나": {"size": 0}}}, "by_name.하나.size"),
        ({"rows": [[{}], [{}, {"size": 0}]]}, "rows.1.1.size"),
        ({"leaf": {"targets": 3}}, "leaf.targets"),
        ({"leaf": {"targets": ["q", 3]}}, "leaf.targets.1"),
        ({"leaf": {"note": 3}}, "leaf.note"),
    ],
)
def test_a_path_leads_through_lists_dicts_and_choices(values, path):
    """Positions and keys stand in the path, names of types do not."""
    paths = re.findall(r"^(?:tree\.yaml:|  -) (\S+): ", told(**values), re.MULTILINE)
    assert path in paths


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"leaf": {"size": 0}}, ("0", "1 이상")),
        ({"leaf": {"size": 10}}, ("10", "9 이하")),
        ({"leaf": {"size": "many"}}, ("'many'", "정수")),
        ({"leaf": {"size": 1.5}}, ("1.5", "정수")),
        ({"leaf": {"mode": "fsat"}}, ("'fsat'", "'fast'", "'slow'")),
        ({"leaf": {"targets": "al"}}, ("'al'", "'all'", "'none'")),
        ({"leaf": {"note": 3}}, ("3", "글이어야")),
        ({"leaf": 3}, ("3", "묶음")),
        ({"leaves": 3}, ("3", "목록")),
        ({"by_name": 3}, ("3", "묶음")),
        ({"name": ""}, ("비어",)),
        ({"name": "Oak!"}, ("'Oak!'", "[a-z]+")),
        ({"name": None}, ("None", "글이어야")),
    ],
)
def test_a_fault_says_what_stands_there_and_what_may(values, words):
    """The value and what is allowed are in the message."""
    assert [word for word in words if word not in told(**values)] == []


def test_a_missing_key_is_told():
    """What has no default must be there."""
    with pytest.raises(ValidationError) as caught:
        Tree.model_validate({})
    assert "name: 빠져" in explain(Tree, caught.value, "tree.yaml")


@pytest.mark.parametrize(
    "values",
    [
        {"leaf": {"szie": 1}},
        {"leaves": [{"szie": 1}]},
        {"by_name": {"하나": {"szie": 1}}},
        {"rows": [[{"szie": 1}]]},
    ],
)
def test_an_unknown_key_gets_the_nearest_one_at_any_depth(values):
    """A typo is told with the key that was meant, and with all keys."""
    message = told(**values)
    assert "혹시 'size'인가요" in message
    assert "mode, size, note, targets" in message


def test_an_unknown_key_like_no_other_gets_no_guess():
    """A guess that helps nobody is not made."""
    assert "혹시" not in told(zzzzzz=1)


def test_several_faults_stand_in_lines_of_their_own():
    """Everything that is wrong is told at once."""
    lines = told(leaf={"size": 0, "mode": 1}, name="").split("\n")
    assert lines[0] == "tree.yaml:"
    assert len(lines) == 4


def test_many_faults_are_counted_rather_than_listed():
    """Ten are told, the rest is a number."""
    lines = told(leaves=[{"size": 0}] * 25).split("\n")
    assert len(lines) == 12
    assert "15건" in lines[-1]


def test_a_long_value_is_cut():
    """A message stays readable when a whole book stands in the wrong place."""
    assert len(told(leaf={"size": "가" * 5000})) < 200


def test_a_key_that_is_no_text_is_told():
    """YAML reads 1 as a number, also where a key should stand."""
    assert "글이어야" in told(leaf={1: 2})


def test_known_keys_follow_a_path():
    """The keys of a record inside a dict inside a record."""
    assert known_keys(Tree, ["by_name", "하나"]) == ["mode", "size", "note", "targets"]
    assert known_keys(Tree, ["name"]) == []


def test_a_yaml_file_is_read(tmp_path):
    """Korean text, lists and numbers come back as Python has them."""
    path = tmp_path / "file.yaml"
    path.write_text("이름: 엑사\n수: [1, 2.5, true]\n", encoding="utf-8")
    assert read_yaml(path) == {"이름": "엑사", "수": [1, 2.5, True]}


def test_an_alias_bomb_is_refused_with_its_line(tmp_path):
    """A few bytes must not unfold to gigabytes."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for one, other in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{other}: &{other} [{', '.join([f'*{one}'] * 9)}]")
    tracemalloc.start()
    try:
        message = refused(tmp_path, "\n".join(lines))
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert message.startswith("2행")
    assert "별칭" in message


def test_a_key_that_comes_twice_is_refused_with_its_line(tmp_path):
    """The second value would win in silence."""
    message = refused(tmp_path, "name: 하나\nseed: 1\nname: 둘\n")
    assert message.startswith("3행")
    assert "'name'" in message


def test_a_key_that_comes_twice_inside_is_refused_too(tmp_path):
    """Every mapping is looked at."""
    assert refused(tmp_path, "a:\n  b: 1\n  b: 2\n").startswith("3행")


@pytest.mark.parametrize("text", ["? [a, b]\n: 1\n", "? {a: b}\n: 1\n", "{[a]: 1}"])
def test_a_key_that_is_a_list_or_a_mapping_is_refused(tmp_path, text):
    """YAML allows it, a recipe has no use for it."""
    assert refused(tmp_path, text).startswith("1행")


def test_a_tab_is_refused_with_its_line(tmp_path):
    """YAML indents with spaces."""
    assert refused(tmp_path, "a:\n\tb: 1\n").startswith("2행")


def test_an_open_bracket_is_refused_with_its_line(tmp_path):
    """The parser's own faults have a place too."""
    assert "행" in refused(tmp_path, "a: 1\nb: [1, 2\n")


def test_a_date_that_does_not_exist_is_refused_with_its_line(tmp_path):
    """A value that looks like a date must be one."""
    assert refused(tmp_path, "a: 1\nb: 2001-13-45\n").startswith("2행")


def test_a_tag_of_python_is_refused(tmp_path):
    """A file cannot call anything."""
    assert refused(tmp_path, "a: !!python/object/apply:os.getcwd []\n").startswith("1행")


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    """The message says how large it is and how large it may be."""
    message = refused(tmp_path, b"#" * (MAX_YAML_BYTES + 500_000))
    assert "5.5 MB" in message
    assert "5 MB까지" in message


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    """A file from an old Korean Windows editor is told apart from broken YAML."""
    assert "UTF-8" in refused(tmp_path, "이름: 엑사".encode("cp949"))


def test_a_control_character_is_refused(tmp_path):
    """A NUL is no text."""
    assert "YAML" in refused(tmp_path, b'a: "\x00"\n')


def test_a_pit_of_brackets_is_refused(tmp_path):
    """Nesting without end is a message, not a crash."""
    assert "YAML" in refused(tmp_path, "[" * 20_000)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    """Windows' Notepad writes one."""
    path = tmp_path / "file.yaml"
    path.write_bytes("\ufeffname: 엑사\n".encode())
    assert read_yaml(path) == {"name": "엑사"}


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name):
    """A missing file and a folder are told in the same way."""
    with pytest.raises(ValueError, match="읽을 수 없습니다"):
        read_yaml(tmp_path / name)
