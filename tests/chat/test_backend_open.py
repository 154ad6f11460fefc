"""What can be opened for a conversation: a run, a model folder, an address."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dataset.chat_template import FAMILIES, bake_template, baked_system
from exagirl.errors import ArtifactError, CharacterError, ModelError
from exagirl.models import TalkChoice, chats_of, open_talk
from support.merged_models import SYSTEM, save_exaone_kind
from support.sse_server import StreamServer
from support.talkers import says

HARU = "name: 하루\ndescription: 바닷가에 산다.\nspeech: {level: banmal}\n"


@pytest.fixture
def model(tmp_path):
    """A merged tiny model with its character."""
    folder = save_exaone_kind(tmp_path / "haru")
    (folder / "character.yaml").write_text(HARU, "utf-8")
    return folder


@given(st.text())
def test_what_was_baked_in_is_read_back(system):
    """`baked_system` is the inverse of `bake_template`, whatever the text holds."""
    assert baked_system(bake_template(FAMILIES[0], system)) == system


@pytest.mark.parametrize(
    "template",
    ["", "{{ messages }}", '{%- set default_system = "a" -%}x', "{%- set default_system = 1 -%}\n"],
)
def test_a_template_of_others_has_nothing_baked_in(template):
    """It is not guessed at."""
    assert baked_system(template) is None


def test_a_model_folder_of_ours_speaks_as_it_learned(model, tmp_path):
    """Its system prompt, its placeholders, a window no larger than its own."""
    opened = open_talk(str(model), tmp_path)
    assert (opened.options.system, opened.options.writes_system) == (SYSTEM, False)
    assert opened.options.knows_placeholders
    assert opened.chats == tmp_path / "chats.sqlite"
    session = opened.session("민준")
    alone = opened.backend.prompt_tokens([{"role": "user", "content": "안녕"}])
    asked = session.prompt("안녕")
    assert opened.backend.prompt_tokens([*asked.messages]) == alone


def test_a_window_smaller_than_wanted_bounds_prompt_and_reply(model, tmp_path):
    """A quarter at most is left for the reply."""
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 256}))
    options = open_talk(str(model), tmp_path).options
    assert (options.context_tokens, options.reply_tokens) == (256, 64)


def test_a_model_that_is_to_be_somebody_else_is_told_so(model, tmp_path):
    """The character that was named goes along as the system message."""
    opened = open_talk(str(model), tmp_path, TalkChoice(character="exa"))
    assert opened.character.name == "엑사"
    asked = opened.session().prompt("안녕")
    assert asked.messages[0]["role"] == "system"
    assert "엑사" in asked.messages[0]["content"]


def test_a_model_of_others_hears_names_instead_of_placeholders(model, tmp_path):
    """And needs somebody to be."""
    (model / "chat_template.jinja").write_text(
        "{% for m in messages %}[|{{ m.role }}|]{{ m.content }}[|endofturn|]{% endfor %}"
        "{% if add_generation_prompt %}[|assistant|]{% endif %}"
    )
    opened = open_talk(str(model), tmp_path, TalkChoice(character="exa"))
    assert not opened.options.knows_placeholders
    asked = opened.session("민준").prompt("안녕")
    assert "민준" in asked.messages[0]["content"]
    assert "{유저}" not in asked.messages[0]["content"]
    (model / "character.yaml").unlink()
    with pytest.raises(CharacterError, match="--character"):
        open_talk(str(model), tmp_path)


def test_a_model_that_holds_no_conversations_is_a_message(model, tmp_path):
    """A template that cannot be rendered, told before the first word."""
    (model / "chat_template.jinja").write_text("{{ raise_exception('no chats') }}")
    with pytest.raises(ModelError, match="대화 서식"):
        open_talk(str(model), tmp_path)


def test_an_address_needs_a_character(tmp_path):
    """It is asked for before the address is."""
    with pytest.raises(CharacterError, match="--character"):
        open_talk("http://127.0.0.1:1/v1", tmp_path)


def test_characters_of_a_room_share_the_model(tmp_path):
    """Each answers where it is called, with its own description."""
    other = tmp_path / "haru.yaml"
    other.write_text(HARU, "utf-8")
    choice = TalkChoice(character="exa", others=(str(other),))
    with StreamServer(["응, 나야."]) as server:
        session = open_talk(server.url, tmp_path, choice).session()
        says(session, "하루야, 거기 있어?")
    assert session.turns[-1].speaker == "하루"
    assert "바닷가" in server.bodies[0]["messages"][0]["content"]


def test_conversations_of_a_run_stay_in_the_run(model, tmp_path):
    """Also where its model folder is named."""
    run = tmp_path / "runs" / "haru"
    run.mkdir(parents=True)
    (run / "recipe.yaml").write_text("")
    model.rename(run / "model")
    expected = run / "chats" / "chats.sqlite"
    assert chats_of("haru", tmp_path / "runs") == expected
    assert chats_of(str(run / "model"), tmp_path / "runs") == expected
    assert open_talk(str(run / "model"), tmp_path / "runs").chats == expected
    with pytest.raises(ArtifactError, match="nobody"):
        chats_of("nobody", tmp_path / "runs")
