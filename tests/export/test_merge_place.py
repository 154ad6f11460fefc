"""Where the merged model goes: nothing of others is lost, and nothing half-done looks finished."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from exagirl.artifact import read_manifest
from exagirl.errors import ArtifactError, ModelError
from exagirl.export.merge import merge_adapter
from support.adapters import save_adapter
from support.tiny_models import save_exaone

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def adapter(exaone_base, tmp_path_factory):
    """An adapter; read it, do not change it."""
    folder = tmp_path_factory.mktemp("adapter") / "a"
    save_adapter(exaone_base, folder)
    return folder


def _program(*arguments, before="pass"):
    code = (
        f"import runpy, resource; {before}; runpy.run_module('support.adapters', {{}}, '__main__')"
    )
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_folder_with_other_things_is_refused(exaone_base, adapter, tmp_path):
    """What stands there stays, and the message names the way on."""
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "thesis.md").write_text("years of work")
    with pytest.raises(ModelError, match="thesis: 비어 있지 않고.*overwrite"):
        merge_adapter(exaone_base, adapter, out)
    assert (out / "thesis.md").read_text() == "years of work"


def test_overwrite_replaces_a_folder_with_other_things(exaone_base, adapter, tmp_path):
    """Asked explicitly, the folder becomes the model and nothing else."""
    out = tmp_path / "model"
    out.mkdir()
    (out / "old.txt").write_text("old")
    merge_adapter(exaone_base, adapter, out, overwrite=True)
    assert not (out / "old.txt").exists()
    assert read_manifest(out).kind == "model"


def test_an_earlier_model_is_replaced(exaone_base, adapter, tmp_path):
    """Our own sealed folder needs no permission, and nothing is left beside it."""
    out = tmp_path / "model"
    merge_adapter(exaone_base, adapter, out, inputs={"run": "1"})
    merge_adapter(exaone_base, adapter, out, inputs={"run": "2"})
    assert read_manifest(out).inputs == {"run": "2"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_artifact_of_another_kind_is_refused(exaone_base, adapter, tmp_path):
    """A dataset of ours is no earlier model."""
    out = tmp_path / "model"
    merge_adapter(exaone_base, adapter, out)
    manifest = json.loads((out / "manifest.json").read_text()) | {"kind": "dataset"}
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="합친 모델도 아닙니다"):
        merge_adapter(exaone_base, adapter, out)


@pytest.mark.parametrize("place", ["base", "adapter", "above"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_the_model_never_takes_the_place_of_what_it_is_made_from(
    exaone_base, adapter, tmp_path, place, overwrite
):
    """Not even with overwrite: the base would be deleted while it is read."""
    shutil.copytree(exaone_base, tmp_path / "base")
    shutil.copytree(adapter, tmp_path / "adapter")
    out = {"above": tmp_path}.get(place, tmp_path / place)
    with pytest.raises(ModelError, match="읽어야 할"):
        merge_adapter(tmp_path / "base", tmp_path / "adapter", out, overwrite=overwrite)
    assert (tmp_path / "base" / "model.safetensors").is_file()


def test_a_file_in_the_models_place_is_named(exaone_base, adapter, tmp_path):
    """A file is no folder to be replaced."""
    (tmp_path / "model").write_text("x")
    with pytest.raises(ModelError, match="폴더가 아니라 파일"):
        merge_adapter(exaone_base, adapter, tmp_path / "model", overwrite=True)


@pytest.mark.parametrize("steps", [1, 12, 22])
def test_a_killed_merge_leaves_nothing_that_looks_finished(exaone_base, adapter, tmp_path, steps):
    """SIGKILL at the first tensor, in between, or while verifying; the next run succeeds."""
    out = tmp_path / "model"
    done = _program(exaone_base, adapter, out, steps)
    assert done.returncode == -9, done.stderr
    assert not out.exists()
    assert list(tmp_path.rglob("manifest.json")) == []
    merge_adapter(exaone_base, adapter, out)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_killed_merge_leaves_the_earlier_model(exaone_base, adapter, tmp_path):
    """The old model keeps its place until the new one is whole."""
    out = merge_adapter(exaone_base, adapter, tmp_path / "model", inputs={"run": "1"})
    assert _program(exaone_base, adapter, out, 12).returncode == -9
    assert read_manifest(out).inputs == {"run": "1"}
    assert load_file(out / "model.safetensors")


def test_a_file_that_cannot_grow_is_one_message_and_leaves_nothing(exaone_base, adapter, tmp_path):
    """A limit on file sizes stands for a disk that fills up while it is written."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    done = _program(exaone_base, adapter, tmp_path / "model", 99, before=limit)
    assert done.returncode == 1
    assert "ArtifactError" in done.stderr
    assert "파일을 다룰 수 없습니다" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_written(
    adapter, exaone_base, tmp_path
):
    """A base that is larger than the free space costs no minutes; the message has both figures."""
    base = save_exaone(tmp_path / "base", shards=2)
    index = json.loads((base / "model.safetensors.index.json").read_text())
    for number in range((shutil.disk_usage(tmp_path).free >> 32) + 1):
        index["weight_map"][f"extra.{number}"] = _write_hole(base, f"extra.{number}", 1 << 32)
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ArtifactError, match="자리가 없습니다. 합친 모델에.*GB가 필요한데"):
        merge_adapter(base, adapter, tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["base"]


def _write_hole(folder, name, size):
    """Write a file with one tensor that takes no room on the disk."""
    entry = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    text = json.dumps({name: entry}).encode()
    path = folder / f"{name}.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, path.stat().st_size + size)
    return path.name
