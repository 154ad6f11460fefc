"""A repository's folder: what goes in, what never does, and that a rerun changes nothing."""

import json

import pytest

from exagirl.artifact import RunFolder, read_manifest, seal
from exagirl.errors import ArtifactError
from exagirl.publish.faults import PublishError
from exagirl.publish.scan import Scanner
from exagirl.publish.tree import (
    LINKED_FROM_BYTES,
    Tree,
    evaluation_files,
    files_of,
    finished,
    write_tree,
)

BASE = "/home/alice/models/base"


@pytest.fixture
def model(tmp_path):
    """A merged model's folder, as far as a tree looks at it, and things somebody laid beside it."""
    folder = tmp_path / "run/model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_name_or_path": BASE, "layers": 2}))
    (folder / "README.md").write_text("the library's own page")
    (folder / "character.yaml").write_text("name: 엑사\n", "utf-8")
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + bytes(2_000_000))
    (folder / "chats.sqlite").write_text("private")
    (folder / "journal.sqlite").write_text("private")
    (folder / "optimizer.pt").write_text("private")
    seal(folder, "model", {"made": "for a test"})
    (folder / "notes-to-myself.txt").write_text("laid here later")
    (folder / ".env").write_text("KEY=1")
    return folder


def tree_of(model, **changes):
    """The tree of a model repository."""
    manifest = finished(model, "exagirl merge exa")
    facts = {
        "part": "model",
        "repo": "me/exa",
        "files": files_of(model, manifest),
        "texts": {"README.md": "# card\n"},
        "known": manifest.files,
        "source": {"model": manifest.digest},
    }
    return Tree(**(facts | changes))


def write(tree, folder, *, links=True):
    """Write it with a scanner that knows no variables."""
    return write_tree(tree, folder, Scanner({}), links=links)


def names(folder):
    """Every file below a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_only_what_the_manifest_names_goes_in_and_private_files_never(model, tmp_path):
    """Chats, journals, optimizer states and hidden files stay here; the card is the page."""
    out = tmp_path / "out/model"
    written = write(tree_of(model), out)
    assert names(out) == [
        *("README.md", "character.yaml", "config.json", "manifest.json", "model.safetensors"),
    ]
    assert (out / "README.md").read_text() == "# card\n"
    assert [file.path for file in written.planned.files] == names(out)
    assert written.planned.size == sum((out / name).stat().st_size for name in names(out))


def test_the_manifest_tells_the_hash_of_every_file_and_its_source(model, tmp_path):
    """What is published can be followed back to the run."""
    write(tree_of(model), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest.kind == "publish-model"
    assert manifest.inputs == {"model": read_manifest(model).digest}
    assert manifest.files["model.safetensors"] == read_manifest(model).files["model.safetensors"]
    assert manifest.files["config.json"] != read_manifest(model).files["config.json"]


def test_a_large_file_is_linked_and_a_small_one_copied(model, tmp_path):
    """Gigabytes are not doubled; what a person may edit is his own."""
    write(tree_of(model), tmp_path / "out")
    assert (model / "model.safetensors").stat().st_size >= LINKED_FROM_BYTES
    assert (tmp_path / "out/model.safetensors").samefile(model / "model.safetensors")
    assert not (tmp_path / "out/character.yaml").samefile(model / "character.yaml")


def test_a_tree_for_a_folder_of_ones_own_holds_copies(model, tmp_path):
    """Whoever changes it there does not change the run."""
    write(tree_of(model), tmp_path / "out", links=False)
    assert not (tmp_path / "out/model.safetensors").samefile(model / "model.safetensors")


def test_the_name_of_a_folder_becomes_the_name_of_a_model(model, tmp_path):
    """Known folders get their model's name, other places where a name belongs the repository's."""
    write(tree_of(model, renamed={BASE: "org/base"}), tmp_path / "named")
    assert json.loads((tmp_path / "named/config.json").read_text())["_name_or_path"] == "org/base"
    write(tree_of(model), tmp_path / "unnamed")
    assert json.loads((tmp_path / "unnamed/config.json").read_text())["_name_or_path"] == "me/exa"
    assert json.loads((model / "config.json").read_text())["_name_or_path"] == BASE


def test_a_path_that_cannot_be_replaced_is_refused_and_leaves_nothing(model, tmp_path):
    """The file and the line are told."""
    tree = tree_of(model, texts={"README.md": f"# card\n\nsee {BASE}\n"})
    with pytest.raises(PublishError, match=r"model/README\.md 3번째 줄"):
        write(tree, tmp_path / "out")
    assert list(tmp_path.glob("out*")) == list(tmp_path.glob(".out*")) == []


def test_a_rerun_leaves_the_very_same_bytes(model, tmp_path):
    """Nothing would be uploaded again."""
    write(tree_of(model), tmp_path / "out")
    before = {name: (tmp_path / "out" / name).read_bytes() for name in names(tmp_path / "out")}
    manifest = json.loads(before["manifest.json"])
    manifest["created"] = "long ago"
    (tmp_path / "out/manifest.json").write_text(json.dumps(manifest))
    write(tree_of(model), tmp_path / "out")
    assert read_manifest(tmp_path / "out").created == "long ago"
    write(tree_of(model, texts={"README.md": "# other\n"}), tmp_path / "out")
    assert read_manifest(tmp_path / "out").created != "long ago"


def test_files_of_others_are_not_replaced(model, tmp_path):
    """Neither a folder of something else nor a stranger's file among ours."""
    with pytest.raises(ArtifactError, match="만들지 않은 파일"):
        write(tree_of(model), model)
    write(tree_of(model), tmp_path / "out")
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="mine.txt"):
        write(tree_of(model), tmp_path / "out")
    assert (tmp_path / "out/mine.txt").read_text() == "mine"


def test_an_unfinished_or_cut_artifact_is_refused(model):
    """The command that makes it is told."""
    (model / "character.yaml").write_text("cut")
    with pytest.raises(ArtifactError, match="exagirl merge exa"):
        finished(model, "exagirl merge exa")
    (model / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="exagirl merge exa"):
        finished(model, "exagirl merge exa")


def test_scores_go_along_and_a_report_with_places_in_it_does_not(tmp_path):
    """Scores can be put right, a finished page cannot."""
    run = RunFolder(tmp_path / "run")
    assert evaluation_files(run, Scanner({})) == {}
    run.evaluation.mkdir(parents=True)
    (run.evaluation / "scores.json").write_text("{}")
    (run.evaluation / "interviews.jsonl").write_text("{}")
    (run.evaluation / "report.html").write_text("<p>good</p>")
    both = ["evaluation/report.html", "evaluation/scores.json"]
    assert sorted(evaluation_files(run, Scanner({}))) == both
    (run.evaluation / "report.html").write_text(f"<p>{BASE}</p>")
    assert sorted(evaluation_files(run, Scanner({}))) == both[1:]
