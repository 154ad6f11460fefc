"""``exagirl doctor`` says what a machine can do, and what to change where a recipe does not fit."""

import json
import os
import subprocess
import sys

import pytest

from support.recipes import write_recipe

TORCHLESS = (
    "import sys, importlib.util as util\n"
    "real = util.find_spec\n"
    "util.find_spec = lambda n, *a: None if n == 'torch' else real(n, *a)\n"
    "sys.modules.update(dict.fromkeys(['torch', 'transformers', 'peft', 'accelerate']))\n"
    "from exagirl.cli.main import main\n"
    "sys.exit(main(['doctor', *sys.argv[1:]]))"
)
PARTS = {
    "weights",
    "adapter",
    "gradients",
    "optimiser",
    "activations",
    "logits",
    "working",
    "gaps",
    "program",
    "total",
}


def doctor(*arguments, env=None, code=None):
    """Run the command in a process of its own."""
    command = ["-c", code] if code else ["-m", "exagirl", "doctor"]
    return subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **(env or {})},
    )


def huge(tmp_path, exaone_base, change=("", "")):
    """A recipe whose base is far too large for any machine, described by its config alone."""
    folder = tmp_path / "huge"
    folder.mkdir()
    config = json.loads((exaone_base / "config.json").read_text())
    config |= {"hidden_size": 65_536, "num_layers": 400, "intermediate_size": 200_000}
    (folder / "config.json").write_text(json.dumps(config))
    path = write_recipe(tmp_path, folder)
    path.write_text(path.read_text().replace(*change))
    return path


@pytest.fixture(scope="module")
def bare():
    """The command without a recipe, as text."""
    return doctor(env={"OPENAI_API_KEY": "sk-very-secret", "HF_TOKEN": ""})


def test_the_machine_is_described_without_a_recipe(bare):
    """Memory, cores, libraries, extras, keys, and which shipped bases fit."""
    assert bare.returncode == 0, bare.stderr
    for word in ("cpu", "코어", "bfloat16", "torch", "train", "EXAONE-3.5-2.4B", "7.8B", "gemma3"):
        assert word in bare.stdout


def test_keys_are_named_but_never_shown(bare):
    """Whether a variable is set is said; its value is not."""
    assert "OPENAI_API_KEY 있음" in bare.stdout
    assert "HF_TOKEN 없음" in bare.stdout
    assert "secret" not in bare.stdout + bare.stderr


def test_the_keys_of_a_recipe_are_asked_for_by_name(tmp_path, exaone_base):
    """The variable that its teacher reads is looked for, and stays hidden."""
    path = write_recipe(tmp_path, exaone_base)
    teacher = "teacher: {kind: openai, model: m, api_key_env: MY_OWN_KEY}"
    path.write_text(path.read_text().replace("teacher: {kind: bundled}", teacher))
    done = doctor(path, "--json", env={"MY_OWN_KEY": "sk-very-secret"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["machine"]["keys"]["MY_OWN_KEY"] is True
    assert "secret" not in done.stdout


def test_the_json_of_a_machine_says_all_of_it():
    """Every shipped base has its two verdicts."""
    facts = json.loads(doctor("--json").stdout)
    assert {base["recipe"] for base in facts["bases"]} == {"exa-2.4b", "exa-7.8b", "quickstart"}
    assert all(
        {base["training"], base["chatting"]} <= {"fits", "tight", "no"} for base in facts["bases"]
    )
    assert facts["recipe"] is None
    assert facts["machine"]["devices"][0]["total_bytes"] > 0


def test_the_json_of_a_recipe_has_every_part_and_the_time(tmp_path, exaone_base):
    """Bytes by part, their total, FLOP, the measured rate, seconds."""
    facts = json.loads(doctor(write_recipe(tmp_path, exaone_base), "--json").stdout)["recipe"]
    assert set(facts["memory"]) == PARTS
    assert facts["verdict"] == "fits"
    assert facts["advice"] == []
    assert facts["source"] == "folder"
    assert [stage["stage"] for stage in facts["work"]["stages"]] == ["general", "character"]
    time = facts["time"]
    assert time["least_s"] == pytest.approx(time["flop"] / time["matmul_flop_per_s"])
    assert time["expected_s"] >= time["least_s"]


def test_nothing_is_written_and_nothing_downloaded(tmp_path):
    """A Hub name of the table is weighed offline, and leaves no folder."""
    done = doctor("exa-2.4b", "--runs", tmp_path / "runs", env={"HF_HOME": str(tmp_path / "hub")})
    assert "함께 든 표" in done.stdout
    assert "127.8M" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_that_can_never_fit_says_so_and_ends_with_one(tmp_path, exaone_base):
    """The base is named as what to change; training would not begin."""
    done = doctor(huge(tmp_path, exaone_base))
    assert done.returncode == 1
    assert "안 들어갑니다" in done.stdout
    assert "training.base" in done.stdout


def test_a_recipe_that_does_not_fit_names_the_setting_to_change(tmp_path, exaone_base):
    """A batch that no memory holds: smaller, and accumulated."""
    path = write_recipe(tmp_path, exaone_base)
    path.write_text(
        path.read_text().replace("epochs: 1\n", "epochs: 1\n      batch_size: 1000000\n")
    )
    done = doctor(path)
    assert done.returncode == 1
    assert "training.stages.batch_size: 1000000 →" in done.stdout
    assert "gradient_accumulation" in done.stdout


def test_a_base_that_is_unknown_is_not_guessed(tmp_path):
    """The machine is described; of the base it says that it cannot know."""
    done = doctor(write_recipe(tmp_path, "nobody/never-heard-of"))
    assert done.returncode == 0, done.stderr
    assert "nobody/never-heard-of" in done.stdout
    assert "어림할 수 없습니다" in done.stdout


def test_a_target_that_matches_nothing_is_one_message(tmp_path, exaone_base):
    """The original's o_proj on EXAONE's own names, the other way round."""
    path = write_recipe(tmp_path, exaone_base)
    path.write_text(path.read_text().replace("targets: attention", "targets: [out_proj]"))
    done = doctor(path)
    assert done.returncode == 2
    assert "training.lora.targets" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_starts_without_torch_and_names_the_extra():
    """The rest of the machine is still told."""
    done = doctor(code=TORCHLESS)
    assert done.returncode == 0, done.stderr
    assert "exagirl[train]" in done.stdout
    assert "코어" in done.stdout
    assert "EXAONE-3.5-2.4B" in done.stdout


def test_memory_is_estimated_without_torch_but_not_time(tmp_path, exaone_base):
    """The formula needs shapes alone; a rate cannot be measured."""
    done = doctor(write_recipe(tmp_path, exaone_base), "--json", code=TORCHLESS)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["recipe"]
    assert facts["memory"]["total"] > 0
    assert facts["time"]["expected_s"] is None
