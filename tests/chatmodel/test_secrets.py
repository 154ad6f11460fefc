"""Keys come from outside of the recipe, and nothing repeats them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.secrets import MAX_KEY_BYTES, fill_variables, find_key, hide
from exagirl.errors import TeacherError
from support.teachers import KEY_ENV, teacher_at

URL = "http://127.0.0.1:9/v1"
KEY = "sk-exagirl-0123456789abcdef"
# No secret holds the marks that stand in its place.
SECRETS = st.lists(st.text(st.sampled_from("abk-01"), max_size=12), max_size=4)


def openai_teacher(**options):
    """A teacher of the official endpoint, which needs a key."""
    return TeacherOptions.model_validate(
        {"kind": "openai", "model": "tiny", "api_key_env": KEY_ENV, **options}
    )


@pytest.fixture
def key_file(tmp_path):
    """Where a key may lie."""
    return tmp_path / "key.txt"


def test_a_key_comes_from_its_variable(monkeypatch):
    """Space around it is no part of it."""
    monkeypatch.setenv(KEY_ENV, f" {KEY}\n")
    assert find_key(teacher_at(URL)) == KEY


def test_a_key_comes_from_its_file(key_file):
    """The line break at its end is no part of it."""
    key_file.write_text(KEY + "\n")
    assert find_key(teacher_at(URL, api_key_file=str(key_file))) == KEY


def test_a_file_that_windows_wrote_holds_the_same_key(key_file):
    """The mark of its encoding is no part of the key."""
    key_file.write_text(KEY + "\r\n", encoding="utf-8-sig")
    assert find_key(teacher_at(URL, api_key_file=str(key_file))) == KEY


def test_a_file_counts_before_a_variable(key_file, monkeypatch):
    """Who names a file means it."""
    monkeypatch.setenv(KEY_ENV, "sk-another-one")
    key_file.write_text(KEY)
    assert find_key(teacher_at(URL, api_key_file=str(key_file))) == KEY


def test_a_file_that_is_not_there_is_told_by_its_path(key_file):
    """The message names the file and the key of the recipe."""
    with pytest.raises(TeacherError, match=r"key\.txt.*teacher\.api_key_file"):
        find_key(teacher_at(URL, api_key_file=str(key_file)))


def test_an_empty_file_is_told_by_its_path(key_file):
    """The message speaks of the file, not of a variable that nobody reads."""
    key_file.write_text("\n")
    with pytest.raises(TeacherError, match=r"key\.txt") as caught:
        find_key(openai_teacher(api_key_file=str(key_file)))
    assert KEY_ENV not in str(caught.value)


def test_a_file_without_end_is_read_only_so_far(key_file):
    """What cannot be a key does not fill the memory."""
    key_file.write_text("k" * (MAX_KEY_BYTES * 3))
    assert len(find_key(teacher_at(URL, api_key_file=str(key_file)))) == MAX_KEY_BYTES


@pytest.mark.parametrize("written", ["비밀입니다", f"{KEY}\n{KEY}", f"{KEY}\x00"])
def test_what_is_no_key_is_told_and_not_repeated(key_file, written):
    """The message names the file alone."""
    key_file.write_text(written, encoding="utf-8")
    with pytest.raises(TeacherError, match=r"key\.txt") as caught:
        find_key(teacher_at(URL, api_key_file=str(key_file)))
    assert written not in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_official_endpoint_needs_a_key(monkeypatch):
    """The message says how to give one."""
    monkeypatch.delenv(KEY_ENV, raising=False)
    with pytest.raises(TeacherError, match=f"export {KEY_ENV}="):
        find_key(openai_teacher())


def test_an_endpoint_of_ones_own_may_do_without(monkeypatch):
    """Nothing is no key, and is no error."""
    monkeypatch.delenv(KEY_ENV, raising=False)
    assert find_key(teacher_at(URL)) == ""


def test_a_header_is_filled_from_the_environment(monkeypatch):
    """A name in ${} is replaced wherever it stands; the values that went in are known."""
    monkeypatch.setenv("EXAGIRL_TEST_A", "first-secret")
    monkeypatch.setenv("EXAGIRL_TEST_B", "second-secret")
    written = {"api-key": "${EXAGIRL_TEST_A}", "X-Both": "a ${EXAGIRL_TEST_A}/${EXAGIRL_TEST_B}"}
    filled, secrets = fill_variables({**written, "X-Plain": "as it is"}, "headers")
    assert filled == {
        "api-key": "first-secret",
        "X-Both": "a first-secret/second-secret",
        "X-Plain": "as it is",
    }
    assert set(secrets) == {"first-secret", "second-secret"}


def test_a_header_whose_variable_is_empty_is_told(monkeypatch):
    """The message names the header and the variable."""
    monkeypatch.setenv("EXAGIRL_TEST_A", " ")
    with pytest.raises(TeacherError, match=r"api-key.*EXAGIRL_TEST_A"):
        fill_variables({"api-key": "${EXAGIRL_TEST_A}"}, "headers")


@pytest.mark.parametrize("value", ["비밀입니다", "one\r\nX-Two: two"])
def test_a_header_that_cannot_be_sent_is_told_and_not_repeated(monkeypatch, value):
    """No line of a variable becomes a header of its own."""
    monkeypatch.setenv("EXAGIRL_TEST_A", value)
    with pytest.raises(TeacherError, match=r"teacher\.headers\.api-key") as caught:
        fill_variables({"api-key": "${EXAGIRL_TEST_A}"}, "headers")
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["Authorization", "api-key", "Cookie", "X-Auth-Token"])
def test_a_recipe_holds_no_secret(name):
    """A header that is one by its name must come from the environment."""
    with pytest.raises(ValueError, match="환경 변수"):
        teacher_at(URL, headers={name: KEY})


@given(SECRETS, st.lists(st.integers(0, 3) | st.sampled_from(["a", "k-", " 그리고 "])))
def test_a_hidden_text_holds_no_secret(secrets, pieces):
    """However secrets overlap, and wherever they stand."""
    text = "".join(
        piece if isinstance(piece, str) else secrets[piece]
        for piece in pieces
        if isinstance(piece, str) or piece < len(secrets)
    )
    hidden = hide(text, secrets)
    assert not any(len(secret) >= 6 and secret in hidden for secret in secrets)


@given(st.text())
def test_a_text_without_secrets_stays(text):
    """Nothing else is blotted out, least of all for a key of three letters."""
    assert hide(text, ["", "abc"]) == text


def test_a_secret_that_begins_another_hides_neither_half():
    """The longer one goes as a whole."""
    assert hide("key sk-abcdef-0001", ["sk-abcdef", "sk-abcdef-0001"]) == "key ***"
