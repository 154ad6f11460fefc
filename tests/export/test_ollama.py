"""The Modelfile makes Ollama send the very bytes of the model's chat template."""

import json
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.utils.chat_template_utils import render_jinja_template

from exagirl.dataset.chat_template import bake_template
from exagirl.errors import ModelError
from exagirl.export.ollama import baked_family, go_template, write_modelfile
from support.go_template import render
from support.merged_models import FAMILY, SYSTEM, save_exaone_kind, save_gemma_kind

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
TURNS = st.lists(st.tuples(TEXT, TEXT), max_size=3)
BOS, EOS = "<bos>", '<"eos">'
PROGRAM = """package main
import ("encoding/json"; "os"; "text/template")
func main() {
  var v map[string]any
  if err := json.NewDecoder(os.Stdin).Decode(&v); err != nil { panic(err) }
  t := template.Must(template.New("").Option("missingkey=zero").Parse(v["template"].(string)))
  if err := t.Execute(os.Stdout, v); err != nil { panic(err) }
}
"""


def _jinja(family, default, messages):
    rendered, _ = render_jinja_template(
        [messages],
        chat_template=bake_template(FAMILY[family], default),
        bos_token=BOS,
        eos_token=EOS,
        add_generation_prompt=True,
    )
    return rendered[0].removeprefix(BOS)


def _conversation(turns, last, system):
    messages = [{"role": "system", "content": system}] if system is not None else []
    for user, reply in turns:
        messages.append({"role": "user", "content": user})
        messages.append({"role": "assistant", "content": reply})
    return [*messages, {"role": "user", "content": last}]


def _collated(messages, default):
    """What Ollama hands to a template: the SYSTEM text stands first where no other does."""
    if default and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": default}, *messages]
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    return system, [{"Role": m["role"], "Content": m["content"]} for m in messages]


@pytest.mark.parametrize("family", FAMILY)
@given(turns=TURNS, last=TEXT, system=st.none() | TEXT, default=TEXT)
def test_ollama_sends_the_bytes_of_the_chat_template(family, turns, last, system, default):
    """System given or not, baked in or not, whatever the texts and however many the turns."""
    messages = _conversation(turns, last, system)
    sent = render(go_template(FAMILY[family], EOS), *_collated(messages, default))
    assert sent == _jinja(family, default, messages)


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
@pytest.mark.parametrize("family", FAMILY)
def test_go_itself_renders_the_bytes_of_the_chat_template(family, tmp_path):
    """Go's own text/template reads the template as the tests' renderer does."""
    (tmp_path / "main.go").write_text(PROGRAM)
    subprocess.run(["go", "build", "-o", "render", "main.go"], cwd=tmp_path, check=True)
    talks = [
        _conversation([("안녕 '가'", '*웃음* "응"'), ("{{.X}}", "`\\n`")], "끝", given)
        for given in (None, "", "다른 글")
    ]
    for messages in talks:
        system, collated = _collated(messages, "기본 글")
        facts = {
            "template": go_template(FAMILY[family], EOS),
            "System": system,
            "Messages": collated,
        }
        done = subprocess.run(
            [tmp_path / "render"], input=json.dumps(facts).encode(), check=True, capture_output=True
        )
        assert done.stdout.decode() == _jinja(family, "기본 글", messages)


def test_the_modelfile_holds_what_the_model_carries(tmp_path):
    """Character, sampling, stop token, context, licence; texts stand as they are."""
    model = save_exaone_kind(tmp_path / "model")
    text = write_modelfile(model, tmp_path, "m.gguf").read_text("utf-8")
    assert text.startswith("FROM ./m.gguf\n")
    assert f'SYSTEM """{SYSTEM}"""' in text
    assert 'LICENSE """licence of the base\n"""' in text
    parameters = dict(re.findall(r"^PARAMETER (\S+) (.+)$", text, re.M))
    assert parameters == {
        "temperature": "0.7",
        "top_p": "0.9",
        "repeat_penalty": "1.1",
        "num_ctx": "4096",
        "stop": '"[|endofturn|]"',
    }


def test_a_text_that_a_modelfile_cannot_hold_is_named(tmp_path):
    """Three quotation marks in a row would end it early."""
    model = save_gemma_kind(tmp_path / "model", system='말끝마다 """ 를 붙인다')
    with pytest.raises(ModelError, match="시스템 프롬프트에 따옴표 세 개"):
        write_modelfile(model, tmp_path, "m.gguf")


@pytest.mark.parametrize("family", FAMILY)
def test_a_baked_template_tells_its_family_and_its_character(family):
    """baked_family undoes bake_template."""
    found, system = baked_family(bake_template(FAMILY[family], SYSTEM + "\n끝"))
    assert (found.name, system) == (family, SYSTEM + "\n끝")


def test_a_template_of_others_is_refused():
    """It cannot be put into Go's words."""
    with pytest.raises(ModelError, match="exagirl이 쓴 것이 아니라"):
        baked_family("{{ messages }}")
