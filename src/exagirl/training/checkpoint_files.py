"""The weight files of a checkpoint: which they are, and that they are whole."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from exagirl.errors import ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
CONVERT = (
    'python -c "import sys, torch; from safetensors.torch import save_file; w = {}; '
    "[w.update(torch.load(f, weights_only=True)) for f in sys.argv[1:]]; "
    "save_file({k: v.clone() for k, v in w.items()}, 'model.safetensors', {'format': 'pt'})\" "
    "*.bin"
)
"""Turns pickled weights into safetensors without running code that a pickle holds."""


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a checkpoint, each of them whole.

    It is ``model.safetensors``; where there is none, an index names them (transformers looks in the
    same order). Other safetensors files that lie beside them, such as a second copy in another
    layout, do not belong to the checkpoint.

    Raises:
        ModelError: A file is absent or cut off, or there are only pickled weights.
    """
    single = folder / SINGLE
    files = [single] if single.is_file() else _indexed(folder) or [single]
    for file in files:
        if not file.is_file():
            raise ModelError(_absent(folder, file))
        _check_whole(file)
    return files


def _indexed(folder: Path) -> list[Path]:
    path = folder / INDEX
    if not path.is_file():
        return []
    try:
        names = set(json.loads(path.read_text("utf-8"))["weight_map"].values())
        files = [folder / name for name in sorted(names)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: 색인을 읽을 수 없습니다({error}). 이 파일을 다시 받으세요."
        ) from error
    if not files or any(file.parent != folder for file in files):
        raise ModelError(f"{path}: 폴더 밖의 파일을 가리키거나 비어 있습니다. 다시 받으세요.")
    return files


def _absent(folder: Path, file: Path) -> str:
    pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth") for p in folder.glob(pattern))
    if (folder / INDEX).is_file() or not pickles:
        return f"{file}: 가중치 safetensors 파일이 없습니다. 모델을 다시 받으세요."
    return (
        f"{folder}: safetensors 파일이 없고 pickle({', '.join(pickles[:3])})만 있습니다. pickle은 "
        "읽는 것만으로 코드를 실행할 수 있어 읽지 않습니다. 그 폴더에서 이렇게 바꾸세요(코드를 "
        f"실행하지 않는 방식입니다):\n{CONVERT}"
    )


def _check_whole(file: Path) -> None:
    try:
        with safe_open(file, framework="pt"):
            return
    except RuntimeError as error:  # what torch raises where it cannot map the file
        raise ModelError(
            f"{file}: 메모리에 펼 수 없습니다({error}). 파일이 이 컴퓨터의 메모리보다 크면 더 작은 "
            "조각(shard)으로 나뉜 체크포인트를 쓰세요."
        ) from error
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{file}: 온전한 safetensors 파일이 아닙니다({error}). 내려받다가 끊겼을 수 있으니 이 "
            "파일을 지우고 다시 받으세요."
        ) from error
