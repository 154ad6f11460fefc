"""EXAONE 3.x computes here what an implementation by other people computes from the same files."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from exagirl.training.base_model import load_base
from support.tiny_models import save_exaone

mx = pytest.importorskip("mlx.core", reason="mlx is not installed: pip install 'mlx[cpu]' mlx-lm")
mlx_exaone = pytest.importorskip(
    "mlx_lm.models.exaone", reason="mlx-lm is not installed: pip install mlx-lm"
)
TOKENS = np.random.default_rng(1).integers(10, 600, (2, 300))


def _facts(folder):
    return json.loads((folder / "config.json").read_text())


def _oracle(folder, facts):
    """mlx-lm's logits; weights go by the checkpoint's own names, each of which it must know."""
    model = mlx_exaone.Model(mlx_exaone.ModelArgs.from_dict(facts))
    files = sorted(folder.glob("*.safetensors"))
    weights = {k: mx.array(v.numpy()) for f in files for k, v in load_file(f).items()}
    model.load_weights(list(weights.items()), strict=True)
    with mx.stream(mx.cpu):
        return torch.from_numpy(np.array(model(mx.array(TOKENS))))


def _ours(folder):
    model, _ = load_base(folder, "float32")
    with torch.no_grad():
        return model(torch.from_numpy(TOKENS)).logits


@pytest.fixture(params=[(True, 1), (False, 3)], ids=["tied", "untied-sharded"])
def base(request, tmp_path):
    """A random checkpoint with scaled RoPE, whose attention is sharp, so that positions matter."""
    tied, shards = request.param
    folder = save_exaone(tmp_path / "base", tied=tied, shards=shards)
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        for name in tensors:
            if ".h." in name and tensors[name].ndim == 2:
                tensors[name] *= 10
        save_file(tensors, file, metadata={"format": "pt"})
    return folder


def test_logits_equal_those_of_mlx_lm(base):
    """With llama3-scaled RoPE, every logit agrees to rounding."""
    torch.testing.assert_close(_ours(base), _oracle(base, _facts(base)), rtol=0, atol=5e-5)


def test_logits_equal_those_of_mlx_lm_without_rope_scaling(base):
    """A checkpoint with plain RoPE (EXAONE 3.0) agrees too."""
    facts = _facts(base) | {"rope_scaling": None}
    (base / "config.json").write_text(json.dumps(facts))
    torch.testing.assert_close(_ours(base), _oracle(base, facts), rtol=0, atol=5e-5)


def test_the_comparison_notices_a_lost_rope_scaling(base):
    """Control: the oracle without the scaling is far off, so agreement above means something."""
    without = _oracle(base, _facts(base) | {"rope_scaling": None})
    assert (_ours(base) - without).abs().max() > 0.1
