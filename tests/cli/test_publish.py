"""``exagirl publish``: what a person types, what stands on the screen, and what leaves."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest
from rich.cells import cell_len

from exagirl.artifact import seal
from exagirl.cli.main import main
from exagirl.publish.choice import ENDINGS, KINDS
from support.hub_client import environment
from support.hub_server import TOKEN, USER, HubServer
from support.published_runs import make_publishable

REPO = f"{USER}/EXAONE-3.5-2.4B-exa"
EVERYTHING = ("model", "adapter", "dataset", "space")
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; copy it, do not change it."""
    run = make_publishable(tmp_path_factory.mktemp("finished")).root
    # Once for all tests: whoever exports loads torch.
    assert main(["export", run.name, "--to", "adapter", "--runs", str(run.parent)]) == 0
    return run


@pytest.fixture
def run(finished, tmp_path):
    """A run of one's own, named exa."""
    return shutil.copytree(finished, tmp_path / "runs/exa")


@pytest.fixture
def hub():
    """A Hub without repositories."""
    with HubServer() as server:
        yield server


def command(run, *words):
    """The command line of a publication."""
    return ["publish", "exa", *words, "--runs", str(run.parent)]


def publish(run, hub, *words, **more):
    """Run the command in a process that reaches this Hub only, with a token."""
    facts = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "COLUMNS": "80"} | more
    env = environment(run / ".home", **facts)
    done = subprocess.run(
        [sys.executable, "-m", "exagirl", *command(run, *words)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done


def contents(folder):
    """Every file below a folder, by its name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def published(hub, part):
    """What the Hub holds of a part, without the file that it adds itself."""
    repo = hub.store.repo(REPO + ENDINGS[part], KINDS[part])
    return {path: blob for path, blob in repo.contents.items() if path != ".gitattributes"}


def test_a_dry_run_shows_everything_and_asks_the_hub_nothing(run, hub):
    """Not even who one is; the folders stand, and the screen fits 80 columns."""
    done = publish(run, hub, "--to", "hub", "--repo", REPO, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert hub.met == []
    assert sorted(p.name for p in (run / "publish").iterdir()) == sorted(EVERYTHING)
    for word in (
        "EXAONE AI Model License Agreement",
        "EXAONE-3.5-2.4B-Instruct",
        "run-",
        "보내지 않았",
    ):
        assert word in done.stdout
    files = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert max(map(cell_len, files)) <= 80


def test_without_a_terminal_and_without_yes_nothing_leaves(run, hub):
    """What to add is told, and the exit code is that of a wrong call."""
    done = publish(run, hub, "--to", "hub", "--repo", REPO)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert hub.met == []


def test_a_missing_token_is_told_before_the_long_work(run, hub):
    """Nothing is written, and nobody is asked."""
    done = publish(run, hub, "--to", "hub", "--repo", REPO, "--yes", HF_TOKEN="")
    assert done.returncode == 2
    assert "hf auth login" in done.stderr
    assert not (run / "publish").exists()
    assert hub.met == []


def test_yes_uploads_what_the_folders_hold(run, hub):
    """Byte for byte, every part in its own repository, with one tag."""
    done = publish(run, hub, "--to", "hub", "--repo", REPO, "--yes")
    assert done.returncode == 0, done.stderr
    for part in EVERYTHING:
        assert published(hub, part) == contents(run / "publish" / part)
        assert f"{hub.url}" in done.stdout
    tags = [set(hub.store.repo(REPO + ENDINGS[p], KINDS[p]).tags) for p in EVERYTHING]
    assert tags[0] == tags[1] == tags[2] == tags[3]
    assert all(tag.startswith("run-") and len(tag) == 16 for tag in tags[0])


def test_a_rerun_commits_nothing(run, hub):
    """The same run gives the same files."""
    words = ("--to", "hub", "--repo", REPO, "--yes", "--parts", "model,dataset")
    publish(run, hub, *words)
    commits = hub.count("commit")
    done = publish(run, hub, *words)
    assert done.returncode == 0, done.stderr
    assert commits == hub.count("commit") == 2
    assert done.stdout.count("그대로입니다") == 2


def in_terminal(run, hub, typed):
    """Run the command in a terminal, type a line when it asks; its exit code and screen."""
    env = environment(run / ".home", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN, TERM="xterm")
    words = command(run, "--to", "hub", "--repo", REPO, "--parts", "dataset")
    pid, line = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "exagirl", *words], env)
    screen, asked, end = b"", False, time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if not select.select([line], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(line, 65536)
        except OSError:  # the other end is gone
            break
        if not piece:
            break
        screen += piece
        if not asked and b"> " in screen.rsplit(b"\n", 1)[-1]:
            assert hub.met == []
            os.write(line, f"{typed}\n".encode())
            asked = True
    os.close(line)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen.decode("utf-8", "replace")


def test_the_name_typed_right_uploads(run, hub):
    """Nothing was sent until then."""
    code, screen = in_terminal(run, hub, "EXAONE-3.5-2.4B-exa-data")
    assert code == 0, screen
    assert published(hub, "dataset") == contents(run / "publish/dataset")


def test_another_name_sends_nothing(run, hub):
    """Yes alone is no name."""
    code, screen = in_terminal(run, hub, "yes")
    assert code == 2, screen
    assert "보내지 않았습니다" in screen
    assert hub.met == []


def test_a_folder_gets_the_same_tree_as_the_hub(run, tmp_path, capsys):
    """With copies of its own, and without a question."""
    words = ("--repo", REPO, "--parts", "model,dataset,space")
    assert main(command(run, "--to", str(tmp_path / "out"), *words)) == 0
    assert main(command(run, "--to", "hub", *words, "--dry-run")) == 0
    for part in ("model", "dataset", "space"):
        here, there = contents(tmp_path / "out" / part), contents(run / "publish" / part)
        made = [json.loads(tree.pop("manifest.json")) for tree in (here, there)]
        assert here == there
        assert made[0]["files"] == made[1]["files"]
    assert str(tmp_path / "out") in capsys.readouterr().out.replace("\n", "")


def test_a_folder_needs_no_name_and_gets_one_that_the_licence_allows(run, tmp_path):
    """The cards have a place for the owner."""
    assert main(command(run, "--to", str(tmp_path / "out"), "--parts", "model")) == 0
    card = (tmp_path / "out/model/README.md").read_text("utf-8")
    assert "OWNER/EXAONE-3.5-2.4B-tiny" in card


def test_the_plan_is_machine_readable(run, tmp_path, capsys):
    """Whole, on a line of its own from what is told meanwhile."""
    words = ("--repo", REPO, "--parts", "space,dataset", "--json")
    assert main(command(run, "--to", str(tmp_path / "out"), *words)) == 0
    facts = json.loads(capsys.readouterr().out)
    plan = facts["plan"]
    assert facts["published"] is None
    assert [repo["part"] for repo in plan["repos"]] == ["dataset", "space"]
    files = [file for repo in plan["repos"] for file in repo["files"]]
    assert plan["count"] == len(files)
    assert plan["size"] == sum(file["size"] for file in files)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--repo", f"{USER}/exa"), "EXAONE"),
        ((), "--repo"),
        (("--repo", "no-owner"), "OWNER/NAME"),
        (("--repo", REPO, "--parts", "model,weights"), "weights"),
        (("--repo", REPO, "--licence", "mine"), "--licence"),
    ],
)
def test_a_wrong_wish_is_told_before_anything_is_written(run, capsys, words, told):
    """With exit code 2, and no folder."""
    assert main(command(run, "--to", "hub", "--dry-run", *words)) == 2
    assert told in capsys.readouterr().err
    assert not (run / "publish").exists()


def test_a_secret_stops_everything(run, capsys):
    """The file and the line are told, the secret is not."""
    secret = "hf_" + "Ab3" * 11
    path = run / "character.yaml"
    path.write_text(path.read_text("utf-8") + f"# {secret}\n", "utf-8")
    assert main(command(run, "--to", "hub", "--repo", REPO, "--dry-run", "--parts", "dataset")) == 2
    told = capsys.readouterr().err
    line = len(path.read_text("utf-8").splitlines())
    assert f"dataset/character.yaml {line}번째 줄" in told
    assert secret not in told
    assert not (run / "publish/dataset").exists()


def test_a_report_that_tells_about_this_machine_stays_here(run, capsys):
    """The scores go all the same, and the person is told."""
    (run / "evaluation/report.html").write_text("<p>/home/alice/models</p>")
    assert main(command(run, "--to", "hub", "--repo", REPO, "--dry-run", "--parts", "model")) == 0
    assert "report.html" in capsys.readouterr().out
    assert [p.name for p in (run / "publish/model/evaluation").iterdir()] == ["scores.json"]


def test_a_form_that_is_missing_is_made_first(run, capsys):
    """The adapter names its base as the Hub does, not as this machine."""
    shutil.rmtree(run / "export")
    assert main(command(run, "--to", "hub", "--repo", REPO, "--dry-run", "--parts", "adapter")) == 0
    assert "--to adapter" in capsys.readouterr().out
    facts = json.loads((run / "publish/adapter/adapter_config.json").read_text())
    assert facts["base_model_name_or_path"] == "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"


@pytest.mark.slow
def test_a_gguf_file_is_made_where_it_is_asked_for_by_name(run, capsys):
    """Without being named it is left out."""
    pytest.importorskip("gguf", reason="the extra 'gguf' is not installed")
    assert main(command(run, "--to", "hub", "--repo", REPO, "--dry-run", "--parts", "gguf")) == 0
    assert list((run / "publish/gguf").glob("*.gguf"))
    # What Ollama reads beside it; else the Hub's own template leaves the character out.
    assert "엑사" in (run / "publish/gguf/system").read_text("utf-8")
    assert "exagirl export" in capsys.readouterr().out


def test_a_gguf_file_of_another_model_is_left_out_and_told(run, capsys):
    """A model that was merged anew is not published beside what was made of the old one."""
    folder = run / "export/gguf"
    folder.mkdir(parents=True)
    (folder / "exa-q8_0.gguf").write_bytes(b"GGUF")
    seal(folder, "export-gguf", {"model": "the digest of another"})
    assert main(command(run, "--to", "hub", "--repo", REPO, "--dry-run", "--json")) == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert [repo["part"] for repo in plan["repos"]] == list(EVERYTHING)
    assert any("GGUF" in warning for warning in plan["warnings"])


def test_an_unfinished_run_is_told_what_to_do(run, capsys):
    """No model, no data: nothing to publish."""
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "dataset")
    assert main(command(run, "--to", "hub", "--repo", REPO, "--dry-run")) == 2
    assert "exagirl run" in capsys.readouterr().err


def test_the_command_and_a_data_set_need_no_torch(run, tmp_path):
    """Neither torch nor gradio nor huggingface_hub is imported before something needs it."""
    absent = ["torch", "transformers", "gradio", "huggingface_hub"]
    words = command(run, "--to", str(tmp_path / "out"), "--parts", "dataset")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "from exagirl.cli.main import main\n"
        f"sys.exit(main(['publish', '--help']) or main({words}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/dataset/README.md").is_file()
