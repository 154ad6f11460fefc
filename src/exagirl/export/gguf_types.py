"""Which number format each tensor of a GGUF file gets."""

from __future__ import annotations

from collections.abc import Callable

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, LlamaFileType

from exagirl.export.choice import known_quant
from exagirl.record import Record

Type = GGMLQuantizationType


class Place(Record):
    """Where a tensor stands in a model."""

    name: str
    """Its GGUF name, such as ``blk.3.attn_v.weight``."""
    layer: int | None
    layers: int
    is_output: bool
    """It turns the last hidden state into words; tied embeddings do, too."""
    row_length: int


class Quant(Record):
    """One number format of a whole file."""

    name: str
    title: str
    """What it means for a person: bits a weight."""
    file_type: LlamaFileType
    rule: Callable[[Place], GGMLQuantizationType]
    gap_limit_nats: float
    """How much worse, in the reference's eyes, the first other token may be."""
    is_exact: bool = False
    """It keeps the weights as good as they are, so that a larger gap is a fault."""


FALLBACK = {Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0, Type.Q8_0: Type.F16}
"""What takes the place of a format whose blocks do not divide the rows, as in llama-quantize."""


def _all(kind: GGMLQuantizationType) -> Callable[[Place], GGMLQuantizationType]:
    return lambda _: kind


def _mixed(kind: GGMLQuantizationType) -> Callable[[Place], GGMLQuantizationType]:
    """The M mixtures of llama.cpp: six bits where an error costs most.

    Source: `llama_tensor_get_type` and `use_more_bits` of llama.cpp. The output layer, and values
    and down projections in the first and last eighth of the layers and in every third between.
    """

    def rule(place: Place) -> GGMLQuantizationType:
        if place.is_output:
            return Type.Q6_K
        if place.layer is None or not place.name.endswith(("attn_v.weight", "ffn_down.weight")):
            return kind
        eighth = place.layers // 8
        costly = (
            place.layer < eighth
            or place.layer >= 7 * place.layers // 8
            or (place.layer - eighth) % 3 == 2
        )
        return Type.Q6_K if costly else kind

    return rule


QUANTS = {
    quant.name: quant
    for quant in (
        Quant(
            name="f16",
            title="16비트",
            file_type=LlamaFileType.MOSTLY_F16,
            rule=_all(Type.F16),
            gap_limit_nats=0.1,
            is_exact=True,
        ),
        Quant(
            name="bf16",
            title="16비트(bfloat16)",
            file_type=LlamaFileType.MOSTLY_BF16,
            rule=_all(Type.BF16),
            gap_limit_nats=0.3,
            is_exact=True,
        ),
        Quant(
            name="q8_0",
            title="8.5비트",
            file_type=LlamaFileType.MOSTLY_Q8_0,
            rule=_all(Type.Q8_0),
            gap_limit_nats=0.5,
        ),
        Quant(
            name="q6_k",
            title="약 6.6비트",
            file_type=LlamaFileType.MOSTLY_Q6_K,
            rule=_all(Type.Q6_K),
            gap_limit_nats=1.0,
        ),
        Quant(
            name="q5_k_m",
            title="약 5.7비트",
            file_type=LlamaFileType.MOSTLY_Q5_K_M,
            rule=_mixed(Type.Q5_K),
            gap_limit_nats=1.5,
        ),
        Quant(
            name="q4_k_m",
            title="약 4.8비트",
            file_type=LlamaFileType.MOSTLY_Q4_K_M,
            rule=_mixed(Type.Q4_K),
            gap_limit_nats=2.0,
        ),
    )
}


def find_quant(name: str) -> Quant:
    """The number format of a name.

    Raises:
        ModelError: There is none.
    """
    return QUANTS[known_quant(name)]


def type_of(quant: Quant, place: Place) -> GGMLQuantizationType:
    """The format of one matrix; where its rows do not divide into blocks, the next finer one."""
    kind = quant.rule(place)
    while place.row_length % GGML_QUANT_SIZES[kind][0]:
        kind = FALLBACK.get(kind, Type.F16)
    return kind
