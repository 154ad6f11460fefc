"""A base's tensors: where they lie, and to which modules of the model they belong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from transformers import AutoModelForCausalLM
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key

from exagirl.errors import ModelError
from exagirl.export.safetensors_stream import Stored, byte_pieces, read_checkpoint
from exagirl.record import Record
from exagirl.training.base_model import base_config
from exagirl.training.checkpoint_files import INDEX, SINGLE, weight_files
from exagirl.training.exaone import HEAD, llama_name


class BaseWeights(Record):
    """What of a checkpoint goes into a merged model."""

    tensors: dict[str, Stored]
    """In the order of the files; under Llama's names where the checkpoint has EXAONE's."""
    places: dict[str, str]
    """Name to the name of the same tensor in the model that transformers builds."""
    is_tied: bool
    """True where the output layer is the embedding table."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names in the model, and shapes."""
        return {self.places[name]: stored.shape for name, stored in self.tensors.items()}


def read_base(folder: Path) -> BaseWeights:
    """Find a base's tensors, and check that the files agree with each other.

    A copy of the embedding table that stands as the output layer is left out.

    Raises:
        ModelError: A file is damaged, contradicts the index, or holds a tensor a second time; or
            the output layer should be the embedding table and is another.
    """
    files = weight_files(folder)
    found = read_checkpoint(files)
    if files[0].name != SINGLE:
        _check_index(folder / INDEX, found)
    renamed = {llama_name(name): stored for name, stored in found.items()}
    if len(renamed) < len(found):
        raise ModelError(
            f"{folder}: 같은 텐서가 EXAONE의 이름과 Llama의 이름으로 두 번 들어 있습니다. 모델을 "
            "다시 받으세요."
        )
    config = base_config(folder)
    places = names_in_model(empty_model(config), renamed)
    tied = bool(config.get_text_config().tie_word_embeddings)
    kept = _without_second_head(folder, renamed, places) if tied else renamed
    return BaseWeights(tensors=kept, places=places, is_tied=tied)


def empty_model(config: Any) -> Any:
    """The model that a configuration describes, without memory for its weights."""
    with init_empty_weights(include_buffers=False):
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def names_in_model(model: Any, names: Iterable[str]) -> dict[str, str]:
    """A checkpoint's names, and the names that the same tensors have in the model.

    They differ where the architecture was rewritten since. Tensors that are put together from
    several (the experts of a mixture) keep their names: no adapter can sit on them.
    """
    known = model.state_dict()
    rules = get_model_conversion_mapping(model)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if not isinstance(rule, WeightRenaming)]
    found = {}
    for name in names:
        place, put_together = rename_source_key(
            name, renamings, converters, model.base_model_prefix, known
        )
        found[name] = name if name in known or put_together else place
    return found


def _check_index(path: Path, found: Mapping[str, Stored]) -> None:
    places = json.loads(path.read_text("utf-8"))["weight_map"]
    wrong = sorted(
        name
        for name in places.keys() | found.keys()
        if name not in found or places.get(name) != found[name].file.name
    )
    if wrong:
        raise ModelError(
            f"{path}: 색인과 파일의 내용이 다릅니다(텐서 {len(wrong)}개: {', '.join(wrong[:3])}). "
            "모델을 다시 받으세요."
        )


def _without_second_head(
    folder: Path, stored: Mapping[str, Stored], places: Mapping[str, str]
) -> dict[str, Stored]:
    kept = {name: tensor for name, tensor in stored.items() if places[name] != HEAD}
    for name in stored.keys() - kept.keys():
        if not any(_is_same(stored[name], other) for other in kept.values()):
            raise ModelError(
                f"{folder}: 설정은 출력 층이 임베딩과 같다고 하는데(tie_word_embeddings) {name}의 "
                "내용이 다릅니다. config.json에 tie_word_embeddings: false를 적거나 모델을 다시 "
                "받으세요."
            )
    return kept


def _is_same(one: Stored, other: Stored) -> bool:
    return (one.dtype, one.shape) == (other.dtype, other.shape) and all(
        torch.equal(a, b) for a, b in zip(byte_pieces(one), byte_pieces(other), strict=True)
    )
