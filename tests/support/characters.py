"""Hypothesis strategies for characters, and cards of other programs."""

from hypothesis import strategies as st

from exagirl.persona.character import (
    Actions,
    Character,
    Fact,
    Foreign,
    Line,
    Lorebook,
    LoreEntry,
    Media,
    Speech,
)

LETTERS = st.characters(exclude_categories=["Cs"])
HARD = (
    *("{유저}", "{{user}}", "{{char}}", "<USER>", "{{original}}", "<START>", "{{char}}: 안녕"),
    *(
        "\n",
        "\r",
        "  ",
        "\u2028",
        "\ufeff",
        "\x1c",
        "- 하나",
        "# 주석",
        "true",
        "2001-01-01",
        "1e5",
    ),
    *("*웃는다*", "'", '"', "@@depth 4\n", "🙂", "\U0010ffff", "null", "~", "&a *a", "<<"),
)
TEXTS = st.one_of(st.text(LETTERS, max_size=12), st.lists(st.sampled_from(HARD)).map("".join))
FILLED = TEXTS.filter(str.strip)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
# Keys that no specification and no version of ours will ever take.
UNKNOWN = st.dictionaries(TEXTS.map("x-{}".format), JSON, max_size=3)
OWN_KEYS = (
    *("description", "personality", "scenario", "first_mes", "mes_example", "creator"),
    *("creator_notes", "system_prompt", "post_history_instructions", "character_version"),
)
SPEECH = st.builds(
    Speech,
    level=st.sampled_from(["banmal", "polite"]),
    habits=LISTS,
    endings=LISTS,
    forbidden_endings=LISTS,
    samples=LISTS,
    address=TEXTS,
    dialect=TEXTS,
)
LINES = st.builds(Line, role=st.sampled_from(["user", "assistant"]), content=FILLED)
ENTRIES = st.builds(
    LoreEntry,
    keys=LISTS,
    secondary_keys=LISTS,
    content=TEXTS,
    constant=st.booleans(),
    order=st.integers(-5, 200),
    depth=st.none() | st.integers(0, 9),
    enabled=st.booleans(),
    use_regex=st.booleans(),
    extra=UNKNOWN,
)


def characters() -> st.SearchStrategy[Character]:
    """Characters that fill every field with anything that it takes."""
    return st.builds(
        Character,
        name=st.text(LETTERS, min_size=1, max_size=9).filter(str.strip),
        aliases=LISTS,
        slogan=TEXTS,
        description=FILLED.filter(lambda text: text.strip("\x1c\x1d\x1e\x1f").strip()),
        appearance=TEXTS,
        personality=LISTS,
        speech=SPEECH,
        actions=st.builds(Actions, style=TEXTS, min_share=st.just(0.25)),
        emoji=st.sampled_from(["forbid", "allow"]),
        world=TEXTS,
        scene=TEXTS,
        relationship=TEXTS,
        relationship_growth=LISTS,
        greetings=LISTS,
        examples=st.lists(st.lists(LINES, min_size=1, max_size=3).map(tuple), max_size=2),
        facts=st.lists(
            st.builds(Fact, question=FILLED, answers=st.tuples(TEXTS), contradictions=LISTS),
            max_size=2,
        ),
        rules=LISTS,
        is_ai=st.booleans(),
        lorebook=st.builds(
            Lorebook,
            budget_tokens=st.integers(0, 999),
            entries=st.lists(ENTRIES, max_size=2),
            extra=UNKNOWN,
        ),
        media=st.builds(Media, portrait=st.sampled_from(["", "face.png", "img/얼굴.png"])),
        system_prompt=TEXTS,
        reminder=TEXTS,
        creator=TEXTS,
        creator_notes=TEXTS,
        tags=LISTS,
        inferred=st.sampled_from([(), ("speech.level",)]),
        foreign=st.builds(Foreign, top=UNKNOWN, data=UNKNOWN),
    )


def foreign_cards() -> st.SearchStrategy[dict]:
    """V2 and V3 cards as other programs write them, with keys of their own everywhere."""
    text = TEXTS | st.none()
    entry = st.fixed_dictionaries(
        {"keys": st.lists(TEXTS, max_size=2), "content": TEXTS},
        optional={
            "secondary_keys": st.lists(TEXTS, max_size=2),
            "selective": st.booleans(),
            "constant": st.booleans(),
            "enabled": st.booleans(),
            "use_regex": st.booleans(),
            "insertion_order": st.integers(0, 500) | st.floats(0, 9),
            "extensions": st.fixed_dictionaries(
                {}, optional={"depth": st.integers(-1, 9) | TEXTS, "other": JSON}
            ),
            "id": st.integers(),
            "position": st.sampled_from(["before_char", "after_char"]),
            "comment": text,
        },
    )
    book = st.fixed_dictionaries(
        {"entries": st.lists(entry, max_size=3)},
        optional={
            "name": text,
            "token_budget": st.integers(0, 999),
            "scan_depth": st.integers(0, 9),
            "recursive_scanning": st.booleans(),
            "extensions": UNKNOWN,
        },
    )
    own = dict.fromkeys(OWN_KEYS, text)
    data = st.fixed_dictionaries(
        {"name": FILLED.filter(lambda name: name.strip("\x1c\x1d\x1e\x1f").strip())},
        optional={
            **own,
            "nickname": text,
            "alternate_greetings": st.lists(TEXTS, max_size=3),
            "group_only_greetings": st.lists(TEXTS, max_size=2),
            "tags": st.lists(TEXTS, max_size=2),
            "assets": st.lists(st.dictionaries(st.just("uri"), TEXTS), max_size=2),
            "character_book": book,
            "extensions": UNKNOWN,
            "x-own": JSON,
        },
    )
    return st.fixed_dictionaries(
        {
            "spec": st.sampled_from(["chara_card_v2", "chara_card_v3"]),
            "spec_version": st.just("2.0"),
            "data": data,
        },
        optional={"x-top": JSON, "first_mes": text},
    )
