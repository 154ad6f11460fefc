"""A finished run in a form that other programs take: GGUF, Ollama, vLLM, peft, other names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from exagirl.artifact import (
    Manifest,
    fingerprint,
    foreign_files,
    is_complete,
    new_artifact,
    read_manifest,
    seal,
    unseal,
)
from exagirl.errors import ArtifactError, MissingExtraError
from exagirl.export.adapter_folder import Named, write_adapter
from exagirl.export.choice import (
    DEFAULT_QUANT,
    INSTALL,
    Exported,
    can_write_gguf,
    has_llama_cpp,
    known_quant,
)
from exagirl.export.merge import merge_adapter
from exagirl.export.model_files import Baked
from exagirl.export.papers import file_stem
from exagirl.export.request import ExportRequest
from exagirl.export.vllm import write_vllm
from exagirl.progress import Nobody, Watcher

VERSION = "1"
"""Changes when the same inputs give other files."""


def export_run(request: ExportRequest, watcher: Watcher | None = None) -> Exported:
    """Make one form of a run: ``export/FORM``, written aside, its manifest last.

    Nothing is done where the form already stands, made from the same inputs.

    Raises:
        ArtifactError: The run has no merged model or adapter, the folder holds files that are not
            ours, or the disk has no room.
        ModelError: An option is unknown, a file is damaged, the architecture cannot be written, or
            a GGUF file that should be exact speaks otherwise than its model.
        MissingExtraError: The number format needs xllamacpp.
    """
    watcher = watcher or Nobody()
    quants = _quants(request)
    folder = request.out / request.choice.form
    inputs = _inputs(request, quants)
    if not is_complete(folder, inputs):
        maker = _maker(request.choice.form)
        check_free(folder, overwrite=request.choice.overwrite)
        with new_artifact(folder) as aside:
            notes = maker(request, quants, aside, watcher)
            seal(aside, f"export-{request.choice.form}", inputs, notes=notes)
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(f"{folder}: manifest를 읽을 수 없습니다. 같은 명령을 다시 실행하세요.")
    return Exported(
        folder=folder,
        manifest=manifest,
        commands=tuple(manifest.notes.get("commands", ())),
        warnings=tuple(manifest.notes.get("warnings", ())),
    )


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Make sure that nothing is lost where the form goes.

    Raises:
        ArtifactError: Files stand there that no export of ours made, and they may not go.
    """
    foreign = [] if overwrite else foreign_files(folder)
    if foreign:
        raise ArtifactError(
            f"{folder}: exagirl이 만들지 않은 파일이 {len(foreign)}개 있습니다"
            f"({', '.join(foreign[:3])}). 다른 곳으로 옮기거나, 지워도 되면 --overwrite를 붙이세요."
        )


def _quants(request: ExportRequest) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(known_quant(name) for name in request.choice.quants))
    if chosen and request.choice.form not in ("gguf", "ollama"):
        raise ArtifactError("--quant는 --to gguf와 --to ollama에서만 씁니다.")
    if len(chosen) > 1 and request.choice.form == "ollama":
        raise ArtifactError("--to ollama에는 --quant를 하나만 쓸 수 있습니다.")
    if request.choice.layout == "exaone" and request.choice.form not in ("adapter", "model"):
        raise ArtifactError("--layout exaone은 --to adapter와 --to model에서만 씁니다.")
    if request.choice.form in ("gguf", "ollama"):
        return chosen or (DEFAULT_QUANT,)
    return ()


def _inputs(request: ExportRequest, quants: tuple[str, ...]) -> dict[str, str]:
    run = request.name
    model = _need(request.model, f"exagirl merge {run}")
    inputs = {"model": model.digest}
    options: list[Any] = [VERSION, request.name, list(quants)]
    if request.choice.form in ("adapter", "vllm", "model"):
        inputs["adapter"] = _need(request.adapter, f"exagirl train {run}").digest
        options += [request.choice.layout, request.base]
    else:
        # Installing xllamacpp later is a reason to run and compare after all.
        options.append(request.choice.verify and has_llama_cpp())
    return inputs | {"options": fingerprint(options)}


def _need(folder: Path, command: str) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(f"{folder}: 아직 만들어지지 않았습니다. 먼저 '{command}'을 실행하세요.")
    return manifest


def _make_adapter(
    request: ExportRequest, _: tuple[str, ...], folder: Path, watcher: Watcher
) -> dict[str, Any]:
    named = Named(name=request.name, base=request.base)
    write_adapter(request.adapter, request.model, folder, named, layout=request.choice.layout)
    watcher.say(f"어댑터를 {request.choice.layout} 이름으로 담았습니다.")
    return {"layout": request.choice.layout}


def _make_vllm(
    request: ExportRequest, _: tuple[str, ...], folder: Path, watcher: Watcher
) -> dict[str, Any]:
    name = file_stem(request.name)
    commands = write_vllm(request.adapter, request.model, folder, name=name, base=request.base)
    watcher.say("vLLM은 여기서 돌려 보지 않았습니다. 명령은 vLLM 문서의 옵션으로 썼습니다.")
    place = f"cd {request.out / 'vllm'}"
    shown = [f"{place} && {line}" for line in (commands.merged, commands.lora) if line]
    return {"commands": shown}


def _make_model(
    request: ExportRequest, _: tuple[str, ...], folder: Path, watcher: Watcher
) -> dict[str, Any]:
    layout = request.choice.layout
    baked = Baked(
        default_system=request.default_system,
        texts={"character.yaml": request.character},
        dtype=request.dtype,
        layout="exaone" if layout == "exaone" else "transformers",
    )
    merge_adapter(request.base, request.adapter, folder, baked=baked, watcher=watcher)
    unseal(folder)
    return {"layout": layout}


_Maker = Callable[[ExportRequest, tuple[str, ...], Path, Watcher], dict[str, Any]]


def _maker(form: str) -> _Maker:
    if form == "adapter":
        return _make_adapter
    if form == "vllm":
        return _make_vllm
    if form == "model":
        return _make_model
    if not can_write_gguf():
        raise MissingExtraError(f"GGUF를 쓰는 데 필요한 gguf가 없습니다. 설치하세요: {INSTALL}")
    from exagirl.export.gguf_form import make_gguf, make_ollama

    return make_gguf if form == "gguf" else make_ollama
