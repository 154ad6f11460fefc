"""How the command starts: nothing heavy is read that the verb does not use."""

import json
import subprocess
import sys

import pytest

MODELS = ("torch", "transformers", "gradio", "openai", "fastapi", "uvicorn")
"""Libraries of models, of their endpoints and of pages."""


@pytest.mark.parametrize(
    "verb", ["--help", "chat --help", "serve --help", "chat talk --list", "check talk.jsonl"]
)
def test_a_verb_that_asks_no_model_starts_without_the_libraries_of_models(tmp_path, verb):
    """Not even indirectly: neither torch nor the client of endpoints is there."""
    (tmp_path / "runs" / "talk").mkdir(parents=True)
    (tmp_path / "runs" / "talk" / "recipe.yaml").touch()
    turns = [{"role": "user", "content": "뭐 해?"}, {"role": "assistant", "content": "책 읽어."}]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": turns}, ensure_ascii=False))
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({MODELS!r}))\n"
        "from exagirl.cli.main import main\n"
        f"sys.exit(main({verb.split()!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
