"""A recipe that ships loads; one with a fault says where it is."""

import re
from importlib import resources

import pytest
import yaml

from exagirl.dataset.build import split_dialogues
from exagirl.dataset.options import DatasetOptions
from exagirl.dialogue.corpus import read_heldout, read_subset
from exagirl.errors import CharacterError, RecipeError
from exagirl.recipe import SHIPPED, load_recipe, shipped_names
from exagirl.training.options import LoraOptions, StageOptions

ORIGINALS = ("exa-2.4b", "exa-7.8b")


def raw_recipe(name="quickstart"):
    """A recipe that ships, as plain values to spoil."""
    return yaml.safe_load((SHIPPED / f"{name}.yaml").read_text("utf-8"))


def change(raw, path, value):
    """Set one value of a recipe."""
    *parents, last = path
    for key in parents:
        raw = raw[key]
    raw[last] = value


def write(tmp_path, raw):
    """A recipe on disk."""
    path = tmp_path / "my-recipe.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return str(path)


def told(tmp_path, path, value):
    """What is said about a recipe with one spoilt value."""
    raw = raw_recipe()
    change(raw, path, value)
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, raw))
    return str(caught.value)


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_recipe_loads(name):
    """Its name is its file's name, and its character is there."""
    loaded = load_recipe(name)
    assert loaded.recipe.name == name
    assert loaded.character.name == "엑사"


def test_the_recipes_that_ship_are_the_ones_of_the_design():
    """The two originals, and the one that needs neither key nor GPU."""
    assert set(shipped_names()) >= {"quickstart", *ORIGINALS}


@pytest.mark.parametrize(("name", "size"), [("exa-2.4b", "2.4B"), ("exa-7.8b", "7.8B")])
def test_an_original_trains_the_base_of_its_size_in_bfloat16(name, size):
    """Section 6.1 of the founding document."""
    recipe = load_recipe(name).recipe
    assert recipe.training.base == f"LGAI-EXAONE/EXAONE-3.5-{size}-Instruct"
    assert recipe.training.dtype == "bfloat16"
    assert recipe.export.dtype == "bfloat16"


@pytest.mark.parametrize("name", ORIGINALS)
def test_an_original_has_the_adapter_of_the_founding_document(name):
    """Section 6.2: rank 256, alpha 128, dropout 0.1, on the attention."""
    adapter = load_recipe(name).recipe.training.lora
    assert adapter == LoraOptions(rank=256, alpha=128, dropout=0.1, targets="attention")


@pytest.mark.parametrize("name", ORIGINALS)
def test_an_original_has_the_two_stages_of_the_founding_document(name):
    """Section 6.4: couples first, then 엑사 herself."""
    general, character = load_recipe(name).recipe.training.stages
    assert general == StageOptions(
        name="general",
        data="gf-persona-data",
        epochs=1,
        learning_rate=1e-4,
        scheduler="cosine",
        warmup_ratio=0.1,
        batch_size=1,
        gradient_accumulation=16,
    )
    assert character == StageOptions(
        name="character",
        data="exa-data",
        epochs=2,
        learning_rate=4e-5,
        scheduler="constant",
        batch_size=1,
        gradient_accumulation=4,
    )


@pytest.mark.parametrize("name", ORIGINALS)
def test_an_original_generates_as_the_founding_document_did(name):
    """Section 5.2: GPT-4o, 32 workers, 3 retries; 600 couples' dialogues and the plan exa whole."""
    recipe = load_recipe(name).recipe
    generation = recipe.generation
    assert (recipe.teacher.kind, recipe.teacher.model) == ("openai", "gpt-4o")
    assert recipe.teacher.temperature == 0.9
    assert recipe.teacher.api_key_env == "OPENAI_API_KEY"
    assert (generation.workers, generation.rejected_retries) == (32, 3)
    assert generation.transport_retries == 5
    assert {n: (s.plan, s.dialogues) for n, s in generation.subsets.items()} == {
        "gf-persona-data": ("gf-persona", 600),
        "exa-data": ("exa", None),
    }


def test_the_quickstart_needs_no_key():
    """Its teacher ships."""
    assert load_recipe("quickstart").recipe.teacher.kind == "bundled"


@pytest.mark.parametrize(
    ("path", "value", "key", "words"),
    [
        (("seed",), "seven", "seed", "정수"),
        (("seed",), -1, "seed", "0 이상"),
        (("name",), "my/recipe", "name", "my/recipe"),
        (("teacher", "kind"), "opneai", "teacher.kind", "'openai'"),
        (("teacher", "base_url"), "localhost:8000/v1", "teacher.base_url", "https?://"),
        (("training", "lora", "rank"), 0, "training.lora.rank", "1 이상"),
        (("training", "lora", "targets"), 3, "training.lora.targets", "'attention'"),
        (("training", "stages", 1, "epochs"), "두 번", "training.stages.1.epochs", "숫자"),
        (("training", "stages", 0, "scheduler"), "cos", "training.stages.0.scheduler", "'cosine'"),
        (("training", "stages"), [], "training.stages", "1개 이상"),
        (("generation", "workers"), 0, "generation.workers", "1 이상"),
        (("generation", "turns"), [5, 2], "generation.turns", "범위"),
        (("generation", "turns"), [0, 0], "generation.turns", "1 이상"),
        (("generation", "subsets"), {}, "generation.subsets", "1개 이상"),
        (
            ("generation", "subsets", "exa-data", "plan"),
            "ex",
            "generation.subsets.exa-data.plan",
            "'exa'",
        ),
    ],
)
def test_a_wrong_value_is_told_with_file_and_key(tmp_path, path, value, key, words):
    """The message names the file, the path of keys, and what may stand there."""
    message = told(tmp_path, path, value)
    assert "my-recipe.yaml" in message
    assert re.search(rf"(^|\s){re.escape(key)}: ", message)
    assert words in message


@pytest.mark.parametrize(
    ("path", "key", "near"),
    [
        (("sede",), "sede", "seed"),
        (("training", "lora", "rnak"), "training.lora.rnak", "rank"),
        (("training", "stages", 0, "epoch"), "training.stages.0.epoch", "epochs"),
        (
            ("generation", "subsets", "exa-data", "dialogue"),
            "generation.subsets.exa-data.dialogue",
            "dialogues",
        ),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_one(tmp_path, path, key, near):
    """A typo is never ignored."""
    message = told(tmp_path, path, 1)
    assert f"{key}: 모르는 키" in message
    assert f"'{near}'" in message


def test_a_stage_that_learns_an_unknown_subset_is_refused(tmp_path):
    """The message names the stage, its data and the subsets that there are."""
    message = told(tmp_path, ("training", "stages", 1, "data"), "exa")
    assert "'character'" in message
    assert "'exa'" in message
    assert "gf-persona-data, exa-data" in message


def test_measuring_an_unknown_subset_is_refused(tmp_path):
    """The message lists the subsets."""
    message = told(tmp_path, ("evaluation", "data"), "exa")
    assert "evaluation.data" in message
    assert "gf-persona-data, exa-data" in message


def test_stages_of_one_name_are_refused(tmp_path):
    """They would write into one folder."""
    assert "training.stages" in told(tmp_path, ("training", "stages", 1, "name"), "general")


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", ".hidden", ""])
def test_a_subset_that_could_leave_the_run_folder_is_refused(tmp_path, name):
    """A subset's name is a file's name."""
    raw = raw_recipe()
    raw["generation"]["subsets"][name] = {"plan": "exa"}
    with pytest.raises(RecipeError, match=r"generation\.subsets"):
        load_recipe(write(tmp_path, raw))


def test_a_missing_part_is_told(tmp_path):
    """What has no default must be there."""
    raw = raw_recipe()
    del raw["training"]
    with pytest.raises(RecipeError, match="training: 빠져"):
        load_recipe(write(tmp_path, raw))


@pytest.mark.parametrize("text", ["", "- 하나\n", "글\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    """The message says how a recipe begins, and which command makes one."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"name:.*exagirl init"):
        load_recipe(str(path))


def test_broken_yaml_is_told_with_file_and_line(tmp_path):
    """The place of the fault is in the message."""
    path = tmp_path / "recipe.yaml"
    path.write_text("name: x\nname: y\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"recipe\.yaml: 2행"):
        load_recipe(str(path))


@pytest.mark.parametrize("name", ["exa-2.5b", "", "없는 파일.yaml", "가" * 300])
def test_a_recipe_that_is_not_there_is_told_with_the_ones_that_ship(tmp_path, monkeypatch, name):
    """The message lists the names and the command that makes a new one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"quickstart.*exagirl init"):
        load_recipe(name)


def test_a_folder_stands_for_the_recipe_in_it(tmp_path):
    """A run keeps its recipe, so its folder can be given in place of the file."""
    with resources.as_file(SHIPPED / "quickstart.yaml") as shipped:
        (tmp_path / "recipe.yaml").write_bytes(shipped.read_bytes())
    assert load_recipe(str(tmp_path)) == load_recipe("quickstart")


def test_a_characters_path_counts_from_the_recipe(tmp_path, monkeypatch):
    """A recipe and its character can be moved together."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mia.yaml").write_text(
        "name: 미아\ndescription: 꽃집 주인이다.\nspeech: {level: polite}\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    loaded = load_recipe(write(folder, raw_recipe() | {"character": "mia.yaml"}))
    assert loaded.character.name == "미아"


def test_a_character_that_is_not_there_is_told(tmp_path):
    """The message lists the characters that ship."""
    path = write(tmp_path, raw_recipe() | {"character": "exxa"})
    with pytest.raises(CharacterError, match="exxa.*내장 캐릭터: .*exa"):
        load_recipe(path)


def test_a_part_of_the_held_out_dialogues_can_be_asked_for():
    """A small machine measures on the first ones only."""
    accepted = [one for found in read_subset("exa-data").values() for one in found][:4]
    options = DatasetOptions(heldout="bundled", heldout_dialogues=10)
    train, validation = split_dialogues("exa-data", accepted, options, seed=7)
    assert train == accepted
    assert validation == list(read_heldout("exa-data"))[:10]
