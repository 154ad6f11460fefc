"""Rows of float32 into the bytes of a GGUF number format."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from numpy.typing import NDArray

from exagirl.errors import MissingExtraError, ModelError
from exagirl.export.choice import INSTALL

Type = GGMLQuantizationType
BY_NUMPY = frozenset({Type.F32, Type.F16, Type.BF16, Type.Q8_0})
"""Formats that the `gguf` package writes to the bit as ggml does."""


def row_bytes(kind: GGMLQuantizationType, length: int) -> int:
    """How many bytes a row of so many numbers takes."""
    block, size = GGML_QUANT_SIZES[kind]
    return int(length // block * size)


class Quantiser:
    """Turns rows into bytes: with `gguf` where it can, else with ggml out of xllamacpp."""

    def __init__(self) -> None:
        self._ggml: Any = None

    def need(self, kinds: set[GGMLQuantizationType]) -> None:
        """Make sure that all these formats can be written.

        Raises:
            MissingExtraError: Some need xllamacpp, and it is not installed.
        """
        if kinds - BY_NUMPY and self._ggml is None:
            self._ggml = _load_ggml()

    def rows(self, rows: NDArray[np.float32], kind: GGMLQuantizationType) -> NDArray[Any]:
        """The bytes of some rows.

        Args:
            rows: Shape (rows, length), float32.
            kind: The format; its block must divide the length.

        Returns:
            Shape (rows, bytes), uint8.

        Raises:
            ModelError: A number does not fit the format.
        """
        if kind == Type.F16:
            with np.errstate(over="ignore"):
                half = rows.astype(np.float16)
            if not np.isfinite(half).all():
                raise ModelError(
                    "가중치에 float16의 범위(±65504)를 넘는 값이 있습니다. --quant bf16이나 "
                    "--quant q8_0으로 내보내세요."
                )
            return half.view(np.uint8)
        if kind in BY_NUMPY:
            packed: NDArray[Any] = quants.quantize(rows, kind).view(np.uint8)
            return packed
        self.need({kind})
        return self._by_ggml(np.ascontiguousarray(rows), kind)

    def _by_ggml(self, rows: NDArray[np.float32], kind: GGMLQuantizationType) -> NDArray[Any]:
        count, length = rows.shape
        out = np.empty((count, row_bytes(kind, length)), dtype=np.uint8)
        written = self._ggml(int(kind), rows.ctypes.data, out.ctypes.data, 0, count, length, None)
        if written != out.nbytes:
            raise ModelError(f"ggml이 {kind.name} 형식으로 {out.nbytes}바이트를 쓰지 못했습니다.")
        return out


def _load_ggml() -> Any:
    """`ggml_quantize_chunk` of ggml.h, out of the library that xllamacpp carries."""
    spec = importlib.util.find_spec("xllamacpp")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    libraries = sorted(folder.glob("xllamacpp*.so")) if folder else []
    libraries += sorted(folder.glob("xllamacpp*.pyd")) if folder else []
    if not libraries:
        raise MissingExtraError(
            f"k-quant로 바꾸는 데 필요한 xllamacpp가 없습니다. 설치하세요: {INSTALL}. 없이도 "
            "되는 형식: f16, bf16, q8_0."
        )
    try:
        quantise = ctypes.CDLL(str(libraries[0])).ggml_quantize_chunk
    except (OSError, AttributeError) as error:
        raise MissingExtraError(
            f"설치된 xllamacpp에서 ggml의 양자화 함수를 찾지 못했습니다({error}). 다시 설치하세요: "
            f"{INSTALL}. 없이도 되는 형식: f16, bf16, q8_0."
        ) from error
    pointer, whole = ctypes.c_void_p, ctypes.c_int64
    quantise.argtypes = [ctypes.c_int, pointer, pointer, whole, whole, whole, pointer]
    quantise.restype = ctypes.c_size_t
    return quantise
