"""The forms that hold a GGUF file: by itself, and with a Modelfile for Ollama."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exagirl.export.choice import INSTALL, has_llama_cpp
from exagirl.export.gguf_types import find_quant
from exagirl.export.gguf_verify import fits_in_memory, make_reference, verify
from exagirl.export.gguf_write import write_gguf
from exagirl.export.ollama import write_modelfile
from exagirl.export.papers import carry, file_stem, write_readme
from exagirl.export.request import ExportRequest
from exagirl.progress import Watcher
from exagirl.record import Record


class GgufFile(Record):
    """One GGUF file and what is known of it."""

    name: str
    size_bytes: int
    verdict: str
    """Whether it was compared with its model, and what came of it; for a person."""
    facts: dict[str, Any]
    """The comparison in numbers; empty where there was none."""


def make_gguf(
    request: ExportRequest, quants: tuple[str, ...], folder: Path, watcher: Watcher
) -> dict[str, Any]:
    """One GGUF file for each number format, compared with the model; what the manifest notes."""
    files = _write_ggufs(request, quants, folder, watcher)
    carry(request.model, folder)
    write_readme(folder, "gguf", name=request.name, files=files)
    start = f"llama-server -m {request.out / 'gguf' / files[0].name} --jinja"
    return _gguf_notes(files, [start])


def make_ollama(
    request: ExportRequest, quants: tuple[str, ...], folder: Path, watcher: Watcher
) -> dict[str, Any]:
    """A GGUF file and the Modelfile beside it; what the manifest notes."""
    name = file_stem(request.name)
    # The Modelfile first: what cannot be said there shows before the long work.
    write_modelfile(request.model, folder, f"{name}-{quants[0]}.gguf")
    files = _write_ggufs(request, quants, folder, watcher)
    carry(request.model, folder)
    write_readme(folder, "ollama", name=name, files=files)
    place = request.out / "ollama"
    create = f"ollama create {name} -f {place / 'Modelfile'}"
    return _gguf_notes(files, [create, f"ollama run {name}"])


def _gguf_notes(files: list[GgufFile], commands: list[str]) -> dict[str, Any]:
    return {
        "commands": commands,
        "verified": {file.name: file.facts for file in files},
        "warnings": [_warning(file) for file in files if not _is_good(file)],
    }


def _warning(file: GgufFile) -> str:
    """What is less than was to be hoped, and what to do about it where the file was run."""
    advice = (
        " 학습한 말투를 잃었을 수 있습니다. 더 고운 형식(--quant q8_0)을 쓰세요."
        if "is_good" in file.facts
        else ""
    )
    return f"{file.name}: {file.verdict}{advice}"


def _is_good(file: GgufFile) -> bool:
    return bool(file.facts.get("is_good"))


def _write_ggufs(
    request: ExportRequest, quants: tuple[str, ...], folder: Path, watcher: Watcher
) -> list[GgufFile]:
    name = file_stem(request.name)
    paths = [
        write_gguf(
            request.model, folder / f"{name}-{quant.name}.gguf", quant, name=name, watcher=watcher
        )
        for quant in map(find_quant, quants)
    ]
    return [
        GgufFile(name=path.name, size_bytes=path.stat().st_size, verdict=verdict, facts=facts)
        for path, (verdict, facts) in zip(
            paths, _verdicts(request, quants, paths, watcher), strict=True
        )
    ]


def _verdicts(
    request: ExportRequest, quants: tuple[str, ...], paths: list[Path], watcher: Watcher
) -> list[tuple[str, dict[str, Any]]]:
    if not request.choice.verify:
        return [("검증하지 않았습니다(verify가 꺼져 있음).", {})] * len(paths)
    if not has_llama_cpp():
        lacking = f"검증하지 못했습니다. 돌려 보려면 설치하세요: {INSTALL}"
        return [(lacking, {})] * len(paths)
    if not fits_in_memory(request.model):
        return [
            ("검증하지 못했습니다. 메모리가 모자라 원래 모델을 float32로 열 수 없습니다.", {})
        ] * len(paths)
    reference = make_reference(request.model, watcher)
    found = []
    for quant, path in zip(map(find_quant, quants), paths, strict=True):
        compared = verify(path, reference, quant, watcher)
        facts = compared.model_dump() | {"is_good": compared.is_good}
        found.append((compared.tell(), facts))
    return found
