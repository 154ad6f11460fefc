"""The command line as a person meets it: exit codes, words, no tracebacks."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from exagirl.recipe import load_recipe, shipped_names
from support.recipes import write_recipe

ROOT = Path(__file__).parents[2]


def exagirl(*arguments, cwd=None, typed="", env=None):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "exagirl", *map(str, arguments)],
        cwd=cwd,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory, exaone_base):
    """The folder of a finished run named tiny."""
    folder = tmp_path_factory.mktemp("cli")
    done = exagirl("run", write_recipe(folder, exaone_base), "--runs", folder / "runs")
    assert done.returncode == 0, done.stderr
    (folder / "out.txt").write_text(done.stdout)
    return folder / "runs"


def test_a_run_ends_with_scores_a_sample_and_what_to_do_next(runs):
    """Table, conversation, three commands."""
    out = (runs.parent / "out.txt").read_text()
    for word in ("학습 전", "학습 후", "말투", "보고서", "민준:", "chat tiny", "demo tiny", "init"):
        assert word in out


@pytest.mark.parametrize("verb", ["--help", "run --help", "generate --help", "chat --help"])
def test_help_is_korean(verb):
    """Every verb says what it does."""
    done = exagirl(*verb.split())
    assert done.returncode == 0
    assert re.search("[가-힣]", done.stdout)


def test_help_and_generate_start_without_torch(tmp_path):
    """A machine without torch makes dialogues; nothing imports it, not even indirectly."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'gradio']))\n"
        "from exagirl.cli.main import main\n"
        f"made = main(['generate', 'quickstart', '--runs', {str(tmp_path)!r}])\n"
        "sys.exit(made or main(['--help']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "quickstart" / "dialogues" / "exa-data.jsonl").is_file()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("rank: 4", "rnak: 4"), ["training.lora.rnak", "'rank'"]),
        (("rank: 4", "rank: 0"), ["training.lora.rank", "1 이상"]),
        (("rank: 4", "rank: 많이"), ["training.lora.rank", "정수"]),
        (("kind: bundled", "kind: gpt"), ["teacher.kind", "openai"]),
        (("data: exa-data\n", "data: exa\n"), ["exa-data", "generation.subsets"]),
        (("character: exa", "character: exo"), ["exo", "exagirl init"]),
        (("seed: 7", "seed: 7\nseed: 8"), ["seed", "두 번"]),
        (("name: tiny", "name: ../tiny"), ["name"]),
    ],
)
def test_a_wrong_recipe_is_one_message(tmp_path, exaone_base, change, words):
    """Exit 2; the file, the key path, what is allowed; no traceback."""
    path = write_recipe(tmp_path, exaone_base)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    done = exagirl("run", path, "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "runs").exists()


def test_an_unknown_recipe_names_those_that_ship():
    """And how to make one."""
    done = exagirl("run", "nothing")
    assert done.returncode == 2
    assert all(name in done.stderr for name in [*shipped_names(), "exagirl init"])


def test_a_run_folder_that_cannot_be_written_is_one_message(tmp_path, exaone_base):
    """A file stands where the folder should be."""
    (tmp_path / "runs").write_text("")
    done = exagirl("run", write_recipe(tmp_path, exaone_base), "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert str(tmp_path / "runs") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_extra_is_named(tmp_path, exaone_base):
    """Without torch, a run says what to install before it starts."""
    path = write_recipe(tmp_path, exaone_base)
    code = (
        "import sys, importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda n, *a: None if n == 'torch' else real(n, *a)\n"
        "from exagirl.cli.main import main\n"
        f"sys.exit(main(['run', {str(path)!r}, '--runs', {str(tmp_path / 'runs')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "exagirl[train]" in done.stderr


def test_an_openai_teacher_without_a_key_says_which_variable(tmp_path):
    """The shipped EXAONE recipe stops before it asks anybody."""
    done = exagirl("generate", "exa-2.4b", "--runs", tmp_path, env={"PATH": ""})
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr


def test_init_writes_a_recipe_of_ones_own(tmp_path, exaone_base):
    """The copied recipe and character load, under the folder's name, and are never overwritten."""
    done = exagirl("init", "나의-친구", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = load_recipe(str(tmp_path / "나의-친구"))
    assert loaded.recipe.name == "나의-친구"
    assert loaded.recipe.character == "character.yaml"
    assert loaded.character.name == "엑사"
    again = exagirl("init", "나의-친구", cwd=tmp_path)
    assert again.returncode == 2
    assert "이미 있습니다" in again.stderr


def test_a_chat_answers_and_is_saved(runs):
    """Lines typed in are answered; the conversation stays as JSONL."""
    done = exagirl("chat", "tiny", "--runs", runs, "--user", "지은", typed="안녕!\n/help\n/quit\n")
    assert done.returncode == 0, done.stderr
    assert "엑사:" in done.stdout
    assert "지은" in done.stdout
    assert (runs / "tiny" / "chats" / "chats.sqlite").is_file()


def test_a_chat_with_nobody_is_one_message(tmp_path):
    """A run that does not exist is named."""
    done = exagirl("chat", "nobody", "--runs", tmp_path)
    assert done.returncode == 2
    assert "nobody" in done.stderr


def test_two_processes_do_not_work_in_one_run(tmp_path, exaone_base):
    """The second is told, at once."""
    from exagirl.artifact import RunFolder

    with RunFolder(tmp_path / "runs" / "tiny").locked():
        done = exagirl("run", write_recipe(tmp_path, exaone_base), "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert "다른 exagirl" in done.stderr


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_demo_is_served_on_loopback_until_interrupted(runs):
    """The page names the character; a taken port is one message; Ctrl-C ends it."""
    pytest.importorskip("gradio", reason="the extra 'demo' is not installed")
    port = _free_port()
    command = [sys.executable, "-m", "exagirl", "demo", "tiny", "--runs", str(runs)]
    process = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        body = ""
        while "엑사" not in body and process.poll() is None:
            try:
                body = urllib.request.urlopen(f"http://127.0.0.1:{port}/").read().decode()
            except OSError:
                time.sleep(0.2)
        assert "엑사" in body
        second = exagirl("demo", "tiny", "--runs", runs, "--port", port)
        assert second.returncode == 2
        assert "--port" in second.stderr
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert "Traceback" not in out
