"""What training takes is known before it starts."""

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    Exaone4Config,
    Gemma3TextConfig,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
)

from exagirl.chatmodel.reply_loss import CHUNK, CHUNK_ELSEWHERE, reply_loss
from exagirl.dialogue.records import Slot
from exagirl.errors import ModelError
from exagirl.recipe import load_recipe, shipped_names
from exagirl.training.lora import add_adapter
from exagirl.training.memory.base_shape import find_base, shipped_bases
from exagirl.training.memory.fit import advise, judge
from exagirl.training.memory.machine import look_around, missing_of_extras
from exagirl.training.memory.parts import (
    HEAD_ROWS,
    HEAD_ROWS_ELSEWHERE,
    Setup,
    chat_memory,
    training_memory,
)
from exagirl.training.memory.shape import ModelShape, shape_of
from exagirl.training.memory.work import StageWork, Workload, plan_work, training_flop
from exagirl.training.options import LoraOptions, StageOptions, TrainingOptions
from support.tiny_models import save_exaone

SMALL_2B, LARGE_8B = (f"LGAI-EXAONE/EXAONE-3.5-{size}-Instruct" for size in ("2.4B", "7.8B"))
SIZES = {
    "vocab_size": 640,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
CONFIGS = [LlamaConfig, Qwen2Config, Qwen3Config, Exaone4Config, Gemma3TextConfig]


def setup_of(shape, *, dtype="float32", device="cpu", row_tokens=512, batch_size=1, **lora):
    """A recipe of one stage on a base of this shape."""
    stage = StageOptions(name="one", data="data", batch_size=batch_size)
    options = TrainingOptions(base="base", lora=LoraOptions(alpha=16.0, **lora), stages=(stage,))
    return Setup(shape=shape, options=options, dtype=dtype, device=device, row_tokens=row_tokens)


@pytest.mark.parametrize(
    ("base", "parameters", "trainable"),
    [(SMALL_2B, 2_405_327_360, 127_795_200), (LARGE_8B, 7_818_448_896, 218_103_808)],
)
def test_exaone_has_the_parameters_that_its_publisher_counts(base, parameters, trainable):
    """The table's shapes give the published totals, and r=256 on all four projections."""
    shape = shipped_bases()[base]
    assert shape.parameters == parameters
    assert shape.adapter(LoraOptions(rank=256, targets="attention")) == trainable


@pytest.mark.parametrize("config", CONFIGS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_the_formula_counts_what_transformers_builds(config, tied):
    """Parameters by formula are those of the model on the meta device."""
    built = config(**SIZES, tie_word_embeddings=tied)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(built)
    counted = sum(p.numel() for p in model.parameters())
    assert shape_of(built.to_dict()).parameters == counted


@pytest.mark.parametrize("targets", ["attention", "attention+mlp", "all-linear", ("q_proj",)])
@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_the_formula_counts_what_peft_trains(targets, dora):
    """Trainable parameters by formula are those of the wrapped model."""
    config = LlamaConfig(**SIZES)
    lora = LoraOptions(rank=4, alpha=8.0, targets=targets, dora=dora)
    model = add_adapter(AutoModelForCausalLM.from_config(config), lora, seed=0)
    counted = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert shape_of(config.to_dict()).adapter(lora) == counted


def saved_bytes(model, rows, tokens, dtype):
    """What autograd keeps of one forward pass, parameters left out."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.randint(0, SIZES["vocab_size"], (rows, tokens))
    mask = torch.ones_like(ids)
    mask[0, tokens - rows + 1 :] = 0  # several rows: the first is shorter
    half = dtype != torch.float32
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype if half else torch.bfloat16, enabled=half),
    ):
        loss, _ = reply_loss(model, ids, ids, mask)
        size = sum(
            tensor.untyped_storage().nbytes()
            for pointer, tensor in kept.items()
            if pointer not in parameters
        )
    loss.backward()
    return size


@pytest.mark.parametrize("config", [LlamaConfig, Gemma3TextConfig], ids=["llama", "gemma"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("lora", [{}, {"dropout": 0.1, "targets": "attention+mlp"}, {"dora": True}])
def test_activations_are_those_that_autograd_keeps(config, dtype, rows, lora):
    """Estimated activations and what hooks on saved tensors count agree within a tenth."""
    built = config(**{**SIZES, "num_hidden_layers": 8}, attn_implementation="sdpa")
    setup = setup_of(
        shape_of(built.to_dict()), dtype=dtype, row_tokens=256, batch_size=rows, rank=8, **lora
    )
    torch_dtype = getattr(torch, dtype)
    base = AutoModelForCausalLM.from_config(built).to(torch_dtype)
    model = add_adapter(base, setup.options.lora, seed=0).train()
    memory = training_memory(setup)
    # The copies that autocast makes of the adapter stand under `adapter`.
    copies = memory.adapter - memory.gradients
    measured = saved_bytes(model, rows, 256, torch_dtype)
    assert memory.activations + copies == pytest.approx(measured, rel=0.1)


def test_as_many_logits_are_weighed_as_the_loss_computes_at_once():
    """The estimate and the loss name the same chunk."""
    assert (HEAD_ROWS, HEAD_ROWS_ELSEWHERE) == (CHUNK, CHUNK_ELSEWHERE)


@st.composite
def shapes(draw):
    """Decoders of all sizes; query heads are shared out evenly among those of keys."""
    kv_heads = draw(st.integers(1, 8))
    return ModelShape(
        vocabulary=draw(st.integers(100, 200_000)),
        hidden=draw(st.integers(8, 8192)),
        layers=draw(st.integers(1, 80)),
        heads=kv_heads * draw(st.integers(1, 8)),
        kv_heads=kv_heads,
        head_dim=draw(st.integers(8, 256)),
        feed_forward=draw(st.integers(8, 30_000)),
        is_tied=draw(st.booleans()),
    )


@given(shapes(), st.integers(64, 8192), st.sampled_from(["float32", "bfloat16"]))
def test_more_of_anything_never_takes_less(shape, tokens, dtype):
    """Longer rows, larger batches and higher ranks do not shrink the estimate."""
    less = training_memory(setup_of(shape, row_tokens=tokens, dtype=dtype, rank=8)).total
    for more in ({"row_tokens": tokens + 1}, {"batch_size": 2}, {"rank": 16}):
        options = {"row_tokens": tokens, "dtype": dtype, "rank": 8, **more}
        assert training_memory(setup_of(shape, **options)).total >= less


@given(shapes(), st.integers(10**8, 10**11))
def test_advice_that_is_given_lets_the_recipe_fit(shape, free):
    """The last change of every advice brings the total below the free memory."""
    setup = setup_of(shape, row_tokens=4096, batch_size=8, rank=256)
    if judge(training_memory(setup).total, free) == "fits":
        return
    for advice in advise(setup, free, has_fast_bfloat16=True):
        assert advice.changes[-1].total_bytes <= free
        assert judge(advice.changes[-1].total_bytes, free) == advice.verdict


def test_a_batch_that_is_too_large_is_named():
    """Half the batch and twice the accumulation, so that a step stays the same."""
    setup = setup_of(shipped_bases()[SMALL_2B], dtype="bfloat16", device="cuda", batch_size=8)
    free = round(training_memory(setup).total)
    changes = [advice.changes for advice in advise(setup, free, has_fast_bfloat16=True)]
    assert changes[0][0].setting == "training.stages.batch_size"
    assert "gradient_accumulation 2" in changes[0][0].then


def test_a_base_that_can_never_fit_gets_no_advice():
    """No setting of the recipe makes 7.8B fit into 4 GB without a smaller base."""
    setup = setup_of(shipped_bases()[LARGE_8B], dtype="bfloat16", device="cpu")
    assert advise(setup, 4 * 10**9, has_fast_bfloat16=True) == ()


def test_a_target_that_is_no_layer_is_refused():
    """The message names the target and the layers that are there."""
    with pytest.raises(ModelError, match=r"out_proj.*o_proj"):
        shipped_bases()[SMALL_2B].adapter(LoraOptions(targets=("out_proj",)))


def test_four_bits_shrink_the_body_of_the_base_alone():
    """QLoRA keeps embeddings and output layer as they are."""
    shape = shipped_bases()[LARGE_8B]
    whole = training_memory(setup_of(shape, dtype="bfloat16", device="cuda")).weights
    small = training_memory(setup_of(shape, dtype="bfloat16", device="cuda", quantize="4bit"))
    assert 2 * 2 * shape.head < small.weights < 0.4 * whole


def test_a_base_in_a_folder_is_read_from_its_config(exaone_base):
    """EXAONE's own keys are understood."""
    found = find_base(str(exaone_base))
    assert found.source == "folder"
    assert (found.shape.layers, found.shape.hidden, found.shape.is_tied) == (2, 64, True)


def test_a_shipped_name_comes_from_the_table():
    """Nothing is downloaded for it."""
    assert find_base(SMALL_2B).source == "table"


def test_a_hub_name_that_is_nowhere_is_unknown():
    """It is neither guessed nor downloaded."""
    assert find_base("nobody/never-heard-of") is None


def test_a_kind_of_model_that_the_formula_does_not_cover_is_unknown(tmp_path):
    """A mixture of experts is not weighed as if it were dense."""
    (tmp_path / "config.json").write_text(json.dumps({**SIZES, "model_type": "qwen3_moe"}))
    assert find_base(str(tmp_path)) is None


def test_a_path_that_is_nowhere_is_one_message(tmp_path):
    """The message says what can be named."""
    with pytest.raises(ModelError, match="gemma3-270m"):
        find_base(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", shipped_names())
def test_the_table_holds_the_base_of_every_shipped_recipe(name):
    """The doctor can weigh what ships without a network."""
    assert load_recipe(name).recipe.training.base in shipped_bases()


def test_flop_are_four_a_weight_and_six_an_adapter_weight():
    """The output layer counts only where a label stands."""
    shape, lora = shipped_bases()[SMALL_2B], LoraOptions(rank=256)
    stage = StageWork(stage="one", rows=1, tokens=100, reply_tokens=40)
    work = Workload(stages=(stage,), longest_row=100)
    expected = 100 * (4 * shape.body + 6 * 127_795_200) + 40 * 4 * shape.head
    assert training_flop(shape, lora, work) == expected


def slots(count, turns=4):
    """Dialogues as a plan orders them."""
    return [Slot(subset="data", topic="t", index=i, phrase="", turns=turns) for i in range(count)]


def options_of(**stage):
    """A training of one stage."""
    one = StageOptions(name="one", data="data", **stage)
    return TrainingOptions(base="b", stages=(one,))


def test_epochs_multiply_the_tokens():
    """Three epochs are three times one."""
    once, thrice = (
        plan_work(options_of(epochs=n), slots(20), system_tokens=100, train_share=0.95)
        for n in (1, 3)
    )
    assert once.stages[0].rows == 19
    assert thrice.tokens == 3 * once.tokens


def test_steps_take_the_place_of_epochs():
    """Rows are steps times batch times accumulation."""
    options = options_of(steps=5, batch_size=2, gradient_accumulation=3)
    work = plan_work(options, slots(20), system_tokens=100, train_share=1.0)
    assert work.stages[0].rows == 30


@given(st.integers(1, 50), st.integers(0, 3000), st.integers(64, 8192))
def test_no_row_is_longer_than_max_length(turns, system, most):
    """Neither the mean nor the longest row; replies are a part of the tokens."""
    options = options_of().model_copy(update={"max_length": most})
    work = plan_work(options, slots(3, turns), system_tokens=system, train_share=1.0)
    assert work.longest_row <= most
    assert 0 <= work.reply_tokens <= work.tokens <= 3 * most


def test_talking_takes_less_than_training():
    """For every shipped base, in the same precision."""
    for shape in shipped_bases().values():
        training = training_memory(setup_of(shape, dtype="bfloat16", row_tokens=4096)).total
        assert chat_memory(shape, "bfloat16", "cpu") < training


def test_extras_name_what_they_lack():
    """Extras that contain extras are followed."""
    requirements = [
        "pydantic>=2",
        'no-such-thing>=1; extra == "train"',
        'pydantic; extra == "train"',
        'exagirl[train]; extra == "all"',
    ]
    assert missing_of_extras(requirements) == {
        "train": ("no-such-thing",),
        "all": ("no-such-thing",),
    }


def test_the_machine_is_described(tmp_path):
    """Memory, cores and disk are there; free is never more than total."""
    machine = look_around(tmp_path / "not" / "yet")
    assert machine.cores >= 1
    assert machine.disk_free_bytes > 0
    assert all(0 < one.free_bytes <= one.total_bytes for one in machine.devices)


LAUNCH = Path(str(resources.files("exagirl") / "training" / "launch"))


@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_launch_configurations_are_understood_by_accelerate(path):
    """Accelerate reads each, and knows every key."""
    config = load_config_from_file(str(path))
    assert config.num_machines == 1
    kinds = {"ddp": "MULTI_GPU", "fsdp2": "FSDP", "deepspeed-zero2": "DEEPSPEED"}
    assert config.distributed_type.value == kinds[path.stem]


TRAIN = """
import json, re, sys
from pathlib import Path
import torch
from exagirl.chatmodel.reply_loss import reply_loss
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions

torch.set_num_threads(1)
for folder, rank, tokens in json.loads(sys.argv[1]):
    base, _ = load_base(folder, "float32")
    model = add_adapter(base, LoraOptions(rank=rank, alpha=8.0), seed=0).train()
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=1e-4)
    for _ in range(4):
        ids = torch.randint(7, 640, (1, tokens))
        loss, count = reply_loss(model, ids, ids, torch.ones_like(ids))
        (loss / count).backward()
        optimiser.step()
        optimiser.zero_grad()
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_bytes(*trainings):
    """The most memory that a process held which did these trainings one after the other."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAIN, json.dumps(trainings)],
        capture_output=True,
        text=True,
        check=True,
        # Tensors in mappings of their own: what the heap leaves between them differs from run to
        # run, and is a part of the estimate that is measured in docs/scaling.md.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "262144", "OMP_NUM_THREADS": "1"},
    )
    return int(done.stdout) * 1024


def save_llama(folder, **sizes):
    """A random Llama on disk, with the tokenizer of the tiny base."""
    save_exaone(folder)
    config = LlamaConfig(**{**SIZES, **sizes}, tie_word_embeddings=True)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return shape_of(config.to_dict())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_the_estimate_is_within_thirty_percent_of_what_training_takes(tmp_path):
    """Weights, adapter, gradients, AdamW, activations and logits of a real training."""
    save_exaone(tmp_path / "tiny")
    shape = save_llama(
        tmp_path / "llama",
        vocab_size=32_000,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        head_dim=64,
    )
    tiny, real = (str(tmp_path / "tiny"), 4, 64), (str(tmp_path / "llama"), 64, 512)
    measured = peak_bytes(tiny, real) - peak_bytes(tiny)
    memory = training_memory(setup_of(shape, rank=64))
    assert memory.total - memory.program == pytest.approx(measured, rel=0.3)


def test_keys_are_named_and_never_read(tmp_path):
    """Only whether a variable is set goes into the record."""
    code = (
        "import sys; from pathlib import Path\n"
        "from exagirl.training.memory.machine import look_around\n"
        "print(look_around(Path('.'), ['MY_KEY', 'NO_KEY']).model_dump_json())"
    )
    env = {**os.environ, "MY_KEY": "sk-very-secret", "OPENAI_API_KEY": "sk-more-secret"}
    env.pop("NO_KEY", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    keys = json.loads(done.stdout)["keys"]
    assert (keys["MY_KEY"], keys["NO_KEY"]) == (True, False)
    assert "secret" not in done.stdout
