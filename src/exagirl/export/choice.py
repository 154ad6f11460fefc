"""What a person asks an export for; plain words, so that asking costs no torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from pydantic import Field

from exagirl.artifact import Manifest
from exagirl.errors import ModelError
from exagirl.record import Record

Form = Literal["gguf", "ollama", "adapter", "vllm", "model"]
Layout = Literal["llama", "exaone"]
QUANTS = ("f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m")
"""Number formats of GGUF files."""
DEFAULT_QUANT = "q8_0"
INSTALL = "pip install 'exagirl[gguf]'"


class ExportChoice(Record):
    """The form and its options."""

    form: Form = Field(description="만들 형식.")
    quants: tuple[str, ...] = Field(
        default=(),
        description="GGUF의 수 형식: f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m. 비우면 q8_0.",
    )
    layout: Layout = Field(
        default="llama", description="adapter와 model의 층 이름을 누구의 것으로 쓸지."
    )
    overwrite: bool = Field(default=False, description="낯선 파일이 있는 폴더를 갈아 치운다.")
    verify: bool = Field(default=True, description="GGUF를 돌려 transformers와 비교한다.")


class Exported(Record):
    """A finished form."""

    folder: Path
    manifest: Manifest
    commands: tuple[str, ...]
    """What to type next."""
    warnings: tuple[str, ...]
    """What is less than was to be hoped."""


def can_write_gguf() -> bool:
    """True where the package that writes GGUF files is installed."""
    return importlib.util.find_spec("gguf") is not None


def has_llama_cpp() -> bool:
    """True where GGUF files can be run here."""
    return importlib.util.find_spec("xllamacpp") is not None


def known_quant(name: str) -> str:
    """The name of a number format, however it is spelled (``Q4_K_M``, ``q4-k-m``).

    Raises:
        ModelError: There is none.
    """
    plain = name.strip().lower().replace("-", "_")
    if plain not in QUANTS:
        raise ModelError(f"--quant {name}: 모르는 형식입니다. 쓸 수 있는 것: {', '.join(QUANTS)}.")
    return plain
