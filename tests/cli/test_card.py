"""``exagirl card`` and ``exagirl init`` as a person meets them."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from exagirl.persona.card import read_card
from exagirl.persona.character import load_character, read_character
from exagirl.persona.folder import export_card, import_card
from exagirl.persona.lint import lint
from exagirl.persona.png import without_texts
from support.chat_server import ChatServer, in_turn, says

DRAFT = {
    "description": "새벽에만 여는 꽃집 주인이다.",
    "personality": ["조용하다"],
    "speech": {"level": "polite", "samples": ["왔어? 앉아.", "그건 나도 몰라.", "같이 가자."]},
    "greetings": ["왔구나, {유저}! 앉아."],
}


def exagirl(*arguments, cwd=None, env=None):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "exagirl", *arguments],
        cwd=cwd,
        input="",
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


def test_a_character_goes_out_and_comes_in_again(tmp_path):
    """export, import, lint, show."""
    assert exagirl("card", "export", "exa", "exa.png", cwd=tmp_path).returncode == 0
    assert exagirl("card", "import", "exa.png", "mine", cwd=tmp_path).returncode == 0
    character = read_character(tmp_path / "mine" / "character.yaml")
    assert character.media.portrait == "portrait.png"
    assert character.facts == load_character("exa").facts
    shown = exagirl("card", "show", "mine", "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["name"] == "엑사"
    again = exagirl("card", "import", "exa.png", "mine", cwd=tmp_path)
    assert (again.returncode, "이미 있습니다" in again.stderr) == (2, True)
    kept = exagirl("card", "export", "exa", "exa.png", cwd=tmp_path)
    assert (kept.returncode, "--force" in kept.stderr) == (2, True)


def test_lint_ends_with_1_where_it_finds_something(tmp_path):
    """JSON names code, path and message."""
    card = {"name": "미아", "description": "꽃집", "first_mes": "{user}야, 왔어?"}
    (tmp_path / "a.json").write_text(json.dumps(card))
    done = exagirl("card", "lint", "a.json", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert {"placeholder.misspelled", "inferred"} <= {
        row["code"] for row in json.loads(done.stdout)
    }
    assert exagirl("card", "lint", "exa").returncode == 0


def test_a_bad_card_is_one_message(tmp_path):
    """Exit 2, no traceback."""
    (tmp_path / "a.png").write_bytes(b"no")
    done = exagirl("card", "show", "a.png", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "a.png" in done.stderr


def test_the_picture_of_an_imported_card_goes_out_again(tmp_path):
    """Its pixels are untouched."""
    first = export_card(load_character("sageuk"), tmp_path / "a.png", folder=None)
    character = import_card(first, tmp_path / "mine")
    second = export_card(character, tmp_path / "b.png", folder=tmp_path / "mine")
    cards = ("ccv3", "chara")
    assert without_texts(second.read_bytes(), cards) == without_texts(first.read_bytes(), cards)
    assert read_card(second) == character


def test_the_files_of_a_charx_go_out_again(tmp_path):
    """They lie below charx/ in between."""
    from exagirl.persona.card import write_card
    from exagirl.persona.charx import read_members

    assets = {"assets/icon/a.png": b"1", "module.risum": b"2"}
    first = write_card(load_character("exa"), tmp_path / "a.charx", assets=assets)
    character = import_card(first, tmp_path / "mine")
    second = export_card(character, tmp_path / "b.charx", folder=tmp_path / "mine")
    assert read_members(second.read_bytes()) == read_members(first.read_bytes())


@pytest.mark.parametrize("polite", [(), ("--polite",)])
@pytest.mark.parametrize("name", ["미연", "준호", "Mia", "'미아': \"#1\""])
def test_a_new_character_passes_lint(tmp_path, name, polite):
    """Whatever its name; the idea is its description."""
    idea = '새벽에만 여는 "꽃집" 주인: 조용하다. # 비밀'
    made = exagirl("init", "a", "--yes", "--name", name, "--idea", idea, *polite, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    character = read_character(tmp_path / "a" / "character.yaml")
    assert (character.name, character.description) == (name, idea)
    assert lint(character) == []


def test_a_name_too_long_is_told_and_nothing_is_written(tmp_path):
    """Exit 2."""
    done = exagirl("init", "a", "--name", "가" * 41, cwd=tmp_path)
    assert (done.returncode, "40자" in done.stderr) == (2, True)
    assert not (tmp_path / "a").exists()


def test_a_draft_needs_a_teacher_and_a_key(tmp_path):
    """The message names the recipes that have one, and the variable of the key."""
    environment = {key: value for key, value in os.environ.items() if key != "OPENAI_API_KEY"}
    none = exagirl("init", "a", "--name", "미아", "--draft", cwd=tmp_path, env=environment)
    assert (none.returncode, "exa-2.4b" in none.stderr) == (2, True)
    keyless = exagirl(
        *("init", "a", "--name", "미아", "--draft", "--recipe", "exa-2.4b"),
        cwd=tmp_path,
        env=environment,
    )
    assert (keyless.returncode, "OPENAI_API_KEY" in keyless.stderr) == (2, True)
    assert not (tmp_path / "a").exists()


def drafted(*answers):
    """What a teacher behind a real server drafts, and how often it was asked."""
    from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
    from exagirl.persona.starter import draft_yaml
    from support.teachers import teacher_at

    async def ask(url):
        async with OpenAICompatibleModel(teacher_at(url)) as model:
            return await draft_yaml(model, "미아", "꽃집 주인")

    with ChatServer(in_turn(*answers)) as server:
        return asyncio.run(ask(server.url)), len(server.asked)


def test_a_draft_is_checked_by_the_record(tmp_path):
    """Nonsense and unknown keys are sent back; name and level stay the user's."""
    good = says(f"여기 있어요:\n```json\n{json.dumps(DRAFT, ensure_ascii=False)}\n```")
    text, asked = drafted(says("못 해요"), says('{"persona": 1}'), good)
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    character = read_character(tmp_path / "a.yaml")
    assert (asked, character.name, character.speech.level) == (3, "미아", "banmal")


def test_a_draft_that_never_holds_is_told():
    """After three attempts."""
    from exagirl.errors import TeacherError

    with pytest.raises(TeacherError, match=r"3번.*--draft 없이"):
        drafted(says("못 해요"))
