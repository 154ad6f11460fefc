"""What must not leave this machine is found, wherever it stands."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.publish.faults import PublishError
from exagirl.publish.readable import BLOCK_BYTES, OVERLAP_BYTES
from exagirl.publish.scan import Scanner, refuse

# Put together here, so that no scanner takes this file for a leak.
FAKE = {
    "hf": "hf_" + "Ab3" * 11 + "x",
    "openai": "sk-" + "proj-" + "a1B2" * 8,
    "aws": "AKIA" + "Q2" * 8,
    "github": "ghp_" + "a1" * 18,
    "google": "AIza" + "b" * 35,
    "key": "-----BEGIN " + "RSA PRIVATE KEY-----",
}
ENVIRONMENT = {
    "MY_API_KEY": "correct horse battery",
    "PATH": "/usr/bin:/bin",
    "SOME_TOKEN": "short",
}


def scan(folder, name, content, environment=()):
    """What is found in one file of this content."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Scanner(dict(environment), [Path("/srv/people/exa")]).scan(folder)


@pytest.mark.parametrize("secret", FAKE.values(), ids=FAKE)
@pytest.mark.parametrize(
    "name", ["README.md", "config.json", "app.py", "report.html", "strange.xyz"]
)
def test_a_secret_is_found_with_its_line_and_only_four_letters_are_shown(tmp_path, secret, name):
    """In whatever file it stands."""
    (found,) = scan(tmp_path, name, f"one\ntwo: {secret}\nthree\n")
    assert (found.path, found.line, found.kind) == (name, 2, "secret")
    assert found.shown == secret[:4] + "…"
    with pytest.raises(PublishError) as refused:
        refuse([found], "model")
    assert f"model/{name} 2번째 줄" in str(refused.value)
    assert secret not in str(refused.value)


def test_the_value_of_a_variable_named_like_a_secret_is_a_secret(tmp_path):
    """Also where JSON spells it otherwise; a short value and other variables are none."""
    text = json.dumps({"note": "correct horse battery, short, /usr/bin:/bin"})
    (found,) = scan(tmp_path, "a.json", text, ENVIRONMENT.items())
    assert (found.kind, found.shown) == ("secret", "corr…")
    quoted = {"X_SECRET": 'twelve "letters"'}
    assert scan(tmp_path, "a.json", json.dumps(quoted), quoted.items())


@pytest.mark.parametrize(
    "text",
    [
        "task-sk-learning-about-the-world-and-more",
        "sk-fading-circle-without-digits-in-it",
        "hf_hub_download(repo_id)",
        "see https://example.org/home/alice/page and www.site.org/tmp/x",
        "<root><tmp/></root> a/root/b ./tmp/x ~/tmp/y",
        "AKIA is a name; AIza too; ghp_ as well",
        "public key: -----BEGIN PUBLIC KEY-----",
    ],
)
def test_innocent_text_is_left_alone(tmp_path, text):
    """Words that only resemble a secret or a path are no finds."""
    assert scan(tmp_path, "README.md", text) == []


@pytest.mark.parametrize(
    "place",
    [
        "/home/alice/models/exa",
        "/Users/alice/exa",
        "/root/.cache/x",
        "/tmp/build-1",
        "/private/var/folders/zz/T",
        "file:///home/alice/x",
        "/srv/people/exa/model",
        "C:\\Users\\alice",
        "C:\\\\Users\\\\alice",
        "D:/Users/alice",
    ],
)
def test_a_place_on_this_machine_is_found_and_refused(tmp_path, place):
    """Homes, temporary folders, and the folders that the caller names."""
    (found,) = scan(tmp_path, "config.json", f'{{"a": 1,\n "path": "{place}"}}')
    assert (found.kind, found.line) == ("place", 2)
    with pytest.raises(PublishError, match="경로"):
        refuse([found], "model")


def test_the_head_of_safetensors_is_read_and_its_weights_are_not(tmp_path):
    """Weights are numbers; what is said about them is text."""
    head = json.dumps({"__metadata__": {"made": FAKE["hf"]}}).encode()
    body = FAKE["openai"].encode()
    content = len(head).to_bytes(8, "little") + head + body
    (found,) = scan(tmp_path, "model.safetensors", content)
    assert (found.shown, found.line) == ("hf_A…", 0)


def test_a_damaged_weights_file_is_refused(tmp_path):
    """A head longer than its file, or no GGUF at all."""
    for name, content in (("a.safetensors", b"\xff" * 9), ("b.gguf", b"GGUF" + b"\x09" * 40)):
        with pytest.raises(PublishError, match="깨졌습니다"):
            scan(tmp_path / name, name, content)


def _text(value):
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def test_the_metadata_of_gguf_is_read_and_its_tensors_are_not(tmp_path):
    """Through numbers, lists of numbers and lists of words."""
    pairs = [
        _text("a") + struct.pack("<IQ", 10, 7),
        _text("b") + struct.pack("<IIQ", 9, 4, 3) + b"\0" * 12,
        _text("c") + struct.pack("<IIQ", 9, 8, 2) + _text("나") + _text("너"),
        _text("d") + struct.pack("<I", 8) + _text(f"from {FAKE['aws']}"),
    ]
    content = struct.pack("<4sIQQ", b"GGUF", 3, 0, len(pairs)) + b"".join(pairs)
    (found,) = scan(tmp_path, "a.gguf", content + FAKE["hf"].encode())
    assert found.shown == "AKIA…"


def _table(path, talks):
    from datasets import Dataset

    rows = [
        {"id": str(at), "messages": [{"role": "user", "content": talk}], "text": [talk]}
        for at, talk in enumerate(talks)
    ]
    Dataset.from_list(rows).to_parquet(str(path))


def test_every_row_of_a_table_is_read_in_any_depth(tmp_path):
    """A secret is told with its row, once for all columns; a path is told and not refused."""
    talks = ["안녕", f"내 키는 {FAKE['hf']}야", "/home/alice/diary.txt 에 있어"]
    _table(tmp_path / "train.parquet", talks)
    secret, place = Scanner({}).scan(tmp_path)
    assert (secret.line, secret.kind) == (2, "secret")
    assert (place.line, place.kind) == (3, "mention")
    assert "train.parquet 2행" in secret.tell()
    assert refuse([place], "dataset") == [place]


def test_a_folder_of_this_machine_is_refused_in_a_table_too(tmp_path):
    """A teacher has no business with where the run is."""
    _table(tmp_path / "train.parquet", ["안녕", "/srv/people/exa/model 에 있어"])
    found = Scanner({}, [Path("/srv/people/exa")]).scan(tmp_path)
    with pytest.raises(PublishError, match="dataset/train.parquet 2행"):
        refuse(found, "dataset")


def test_peoples_data_in_a_table_is_told_and_not_refused(tmp_path):
    """Mail addresses, phone numbers and resident numbers, the first four letters of each."""
    talks = [
        "메일은 minjun@example.org야",
        "전화는 010-1234-5678",
        "번호가 990101-1234567이래",
        "2024-11-24",
    ]
    _table(tmp_path / "train.parquet", talks)
    found = Scanner({}).scan(tmp_path)
    assert [(one.line, one.shown) for one in found] == [(1, "minj…"), (2, "010-…"), (3, "9901…")]
    assert refuse(found, "dataset") == found


def test_many_small_finds_hide_no_secret(tmp_path):
    """However many people's addresses stand before it."""
    _table(tmp_path / "train.parquet", [f"a{n}@example.org" for n in range(1200)] + [FAKE["hf"]])
    found = Scanner({}).scan(tmp_path)
    assert (found[-1].kind, found[-1].line) == ("secret", 1201)
    assert len(found) == 1001


def test_peoples_data_elsewhere_is_the_makers_own_address(tmp_path):
    """A licence names its authors."""
    assert scan(tmp_path, "LICENSE", "Copyright minjun@example.org") == []


def test_a_makers_licence_may_hold_the_makers_keys_but_not_mine(tmp_path):
    """Gemma's terms are a web page with Google's keys in it, and were public before."""
    text = f"terms {FAKE['google']} correct horse battery"
    (found,) = scan(tmp_path, "GEMMA_TERMS.html", text, ENVIRONMENT.items())
    assert "MY_API_KEY" in found.what


@settings(max_examples=30, deadline=None)
@given(at=st.integers(-80, 80), block=st.integers(1, 2))
def test_a_secret_across_the_border_of_two_pieces_is_found_once(tmp_path_factory, at, block):
    """Wherever the border falls, with the right line."""
    border = BLOCK_BYTES * block - (OVERLAP_BYTES if at % 2 else 0)
    lines = "x\n" * ((border + at) // 2)
    folder = tmp_path_factory.mktemp("border")
    (found,) = scan(folder, "long.txt", f"{lines}{FAKE['hf']}\n{lines}")
    assert found.line == lines.count("\n") + 1


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.sampled_from(sorted(FAKE)), st.text(max_size=40))
def test_a_secret_is_found_within_any_text(tmp_path_factory, before, kind, after):
    """A word before or behind it, in any script, hides nothing."""
    text = f"{before} {FAKE[kind]} {after}"
    found = scan(tmp_path_factory.mktemp("any"), "a.txt", text.encode("utf-8", "replace"))
    assert FAKE[kind][:4] in [one.shown[:4] for one in found if one.kind == "secret"]
