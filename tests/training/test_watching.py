"""A stage says how it goes, and stops with the reason where it cannot go on."""

import struct

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from exagirl.artifact import file_faults
from exagirl.errors import ArtifactError, MissingExtraError, ModelError
from exagirl.training.base_model import give_template, load_base, load_tokenizer
from exagirl.training.engine import Batcher, measure_rows
from exagirl.training.learner import Learner
from exagirl.training.lora import add_adapter, reload_adapter
from exagirl.training.options import LoraOptions
from exagirl.training.rows import encode_rows
from exagirl.training.stage import Student, train_stage
from support.tiny_models import save_exaone
from support.training_runs import (
    SYSTEM,
    Heard,
    make_run,
    metrics,
    options,
    stage,
    talk,
    talks,
    train,
    write_dataset,
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory, exaone_base):
    """A run, its manifest, and what its watcher heard."""
    run, heard = make_run(tmp_path_factory.mktemp("watched"), talks=10), Heard()
    (manifest,) = train(run, options(exaone_base), heard)
    return run, manifest, heard


def test_metrics_have_one_row_a_step(watched):
    """Loss, learning rate, gradient norm, tokens and their rate; validation where it was made."""
    run, _, _ = watched
    rows = metrics(run)
    assert [row["step"] for row in rows] == list(range(1, 13))
    for row in rows:
        assert {"loss", "learning_rate", "grad_norm", "tokens", "tokens_per_s"} <= set(row)
    assert [row["step"] for row in rows if "validation_loss" in row] == [5, 10, 12]


def test_the_curves_are_a_picture(watched):
    """A PNG of some size."""
    data = (watched[0].adapter("general") / "curves.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(struct.unpack(">II", data[16:24])) > 300


def test_the_note_of_a_step_says_how_it_goes(watched):
    """Loss, validation loss, tokens a second, memory and the time that is left."""
    notes = [note for steps, note in watched[2].notes if steps == 1]
    assert len(notes) == 12
    for part in ("손실", "검증", "토큰/초", "메모리", "남은 시간"):
        assert part in notes[-1]


def test_the_tokens_of_a_stage_are_those_of_its_steps(watched):
    """The manifest's count is the sum over the metrics."""
    run, manifest, _ = watched
    assert manifest.notes["tokens"] == sum(row["tokens"] for row in metrics(run))


def test_only_replies_are_learned(watched):
    """Reply tokens are a part of all tokens, as in the rows."""
    notes = watched[1].notes
    assert 0 < notes["reply_tokens"] < notes["tokens"]


def test_the_validation_loss_is_that_of_the_saved_adapter(watched, exaone_base):
    """Measured anew with the adapter from the folder, it is the same."""
    run, manifest, _ = watched
    model = Learner(reload_adapter(load_base(exaone_base, "float32")[0], run.adapter("general")))
    rows = _held_out(exaone_base)
    measured = measure_rows(model, Batcher(rows, 0, packing=False), range(len(rows)), 2)
    assert measured.per_token == pytest.approx(manifest.notes["validation_loss"], abs=1e-5)


def _held_out(base):
    tokenizer = give_template(load_tokenizer(base), SYSTEM)
    return encode_rows(tokenizer, talks("talks/held out", 3), subset="talks")


@pytest.mark.parametrize(("every", "steps"), [(4, [4, 8, 12]), (0.5, [6, 12]), (None, [12])])
def test_validation_comes_every_so_often(tmp_path, exaone_base, every, steps):
    """By steps, by a share of the stage, or at its end alone."""
    run = make_run(tmp_path, talks=4)
    train(run, options(exaone_base, stage(validate_every=every)))
    assert [row["step"] for row in metrics(run) if "validation_loss" in row] == steps


def test_a_stage_that_gets_no_better_ends_and_keeps_its_best_weights(tmp_path, exaone_base):
    """Two validations without a better loss, and the weights of the best one are saved."""
    run = make_run(tmp_path, talks=6)
    early = {"patience": 2, "min_delta": 50}
    (manifest,) = train(run, options(exaone_base, stage(validate_every=3, early_stop=early)))
    notes = manifest.notes
    assert (notes["steps"], notes["kept_step"]) == (9, 3)
    model = Learner(reload_adapter(load_base(exaone_base, "float32")[0], run.adapter("general")))
    rows = _held_out(exaone_base)
    measured = measure_rows(model, Batcher(rows, 0, packing=False), range(len(rows)), 2)
    assert measured.per_token == pytest.approx(metrics(run)[2]["validation_loss"], abs=1e-5)


def test_packing_gives_the_validation_loss_of_unpacked_rows(tmp_path, exaone_base):
    """Before anything is learned, both ways measure the same."""
    found = []
    for packing in (True, False):
        run = make_run(tmp_path / str(packing), talks=6)
        frozen = stage(steps=1, warmup_ratio=0.9)  # the first step of a warm-up has a rate of 0
        (manifest,) = train(run, options(exaone_base, frozen, packing=packing))
        found.append(manifest.notes["validation_loss"])
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_a_row_whose_loss_is_no_number_is_named(tmp_path):
    """The step, the row's place and its first words; nothing is sealed."""
    base = save_exaone(tmp_path / "base", tied=False)
    (broken,) = load_tokenizer(base)("Q")["input_ids"]
    tensors = load_file(base / "model.safetensors")
    tensors["transformer.wte.weight"][broken] = float("nan")
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    bad = talk("bad", 1)
    bad[2]["content"] = "나는 Q 책을 읽고"
    run = make_run(tmp_path / "run")
    write_dataset(
        run.dataset, {"talks": {"train": [*talks("t", 5), bad], "validation": talks("v", 2)}}
    )
    with pytest.raises(ModelError, match=r"general 단계의 \d번째 걸음.*나는 Q") as caught:
        train(run, options(base))
    assert "talks의 6번째 대화" in str(caught.value)
    assert "talks의 1번째" not in str(caught.value)
    assert not run.adapter("general").exists()


def test_a_learning_rate_that_breaks_the_adapter_is_told(tmp_path, exaone_base):
    """The step after it is named, and what to lower."""
    run = make_run(tmp_path, talks=6)
    chosen = options(
        exaone_base,
        stage(learning_rate=0.9, warmup_ratio=0),
        lora=LoraOptions(rank=4, alpha=1e38),
    )
    with pytest.raises(ModelError, match=r"[12]번째 걸음.*learning_rate"):
        train(run, chosen)


@pytest.mark.parametrize(
    ("batch", "setting"), [(4, "batch_size를 4에서 2"), (1, r"max_length\(512\)")]
)
def test_too_little_memory_names_the_setting_to_change(tmp_path, exaone_base, batch, setting):
    """The allocator's fault becomes advice with numbers."""
    model, tokenizer = load_base(exaone_base, "float32")
    model = add_adapter(model, LoraOptions(rank=4), seed=0)
    give_template(tokenizer, SYSTEM)
    model.get_base_model().model.register_forward_pre_hook(lambda *_: _take_a_petabyte())
    with pytest.raises(ModelError, match=rf"메모리가 모자랍니다.*{setting}"):
        train_stage(
            Student(model, tokenizer, 512),
            stage(batch_size=batch),
            {"train": talks("t", 4), "validation": talks("v", 1)},
            seed=1,
            folder=tmp_path,
            watcher=Heard(),
        )


def _take_a_petabyte():
    torch.empty(1 << 50, dtype=torch.uint8)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_empty_split_is_an_error(tmp_path, exaone_base, split):
    """It is told before the base is loaded."""
    run = make_run(tmp_path)
    splits = {"train": talks("t", 3), "validation": talks("v", 2)} | {split: []}
    write_dataset(run.dataset, {"talks": splits})
    with pytest.raises(ModelError, match="한 편도 없습니다"):
        train(run, options(exaone_base))


def test_a_reporter_that_is_not_installed_is_named(tmp_path, exaone_base):
    """The message says what to install."""
    run = make_run(tmp_path, talks=4)
    with pytest.raises(MissingExtraError, match="pip install trackio"):
        train(run, options(exaone_base, report_to=("trackio",)))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"epochs": 1, "steps": 3}, "하나만"),
        ({"validate_every": 2.5}, "정수"),
        ({"validate_every": None, "early_stop": {}}, "validate_every도"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(fields, what):
    """The message says which to change."""
    with pytest.raises(ValidationError, match=what):
        stage(**fields)


def test_a_disk_that_fills_up_under_a_checkpoint_is_told(tmp_path):
    """torch.save speaks of positions in a file; a person reads that there is no room."""
    with pytest.raises(ArtifactError, match="자리가 없습니다"), file_faults(tmp_path):
        torch.save(torch.zeros(1_000_000), "/dev/full")
