"""docs/character.md and the JSON Schema are made of the record, and are up to date."""

import json
from pathlib import Path

from exagirl.persona.profile import Character
from exagirl.persona.schema import PAGE, SCHEMA, character_page, character_schema, write_pages
from exagirl.record import Record

DOCS = Path(__file__).parents[2] / "docs"


def fields(model):
    """Every field of a record and of the records in it, with its path."""
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}", field
        for part in parts(field.annotation):
            yield from fields(part)


def parts(kind):
    """The records that a type speaks of."""
    if isinstance(kind, type) and issubclass(kind, Record):
        return [kind]
    return [part for inner in getattr(kind, "__args__", ()) for part in parts(inner)]


def test_every_field_has_a_description():
    """One line, from which the page is made."""
    assert [path for path, field in fields(Character) if not field.description] == []


def test_the_committed_pages_are_up_to_date(tmp_path):
    """Otherwise run: python -m exagirl.persona.schema docs."""
    for page in write_pages(tmp_path):
        assert (DOCS / page.name).read_text("utf-8") == page.read_text("utf-8"), page.name
    assert {PAGE, SCHEMA} == {page.name for page in tmp_path.iterdir()}


def test_the_page_names_every_field():
    """In a table each."""
    page = character_page()
    names = [path.split(".")[1] for path, _ in fields(Character)]
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_the_schema_is_json():
    """Editors read it."""
    assert json.loads(json.dumps(character_schema()))["required"] == [
        "name",
        "description",
        "speech",
    ]
