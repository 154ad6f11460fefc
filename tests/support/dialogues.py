"""Hypothesis strategies for dialogues."""

import re

from hypothesis import strategies as st

from exagirl.dialogue.records import Turn

PIECES = (
    *("human1:", "gpt1:", "**gpt2:**", "Human 3：", "- human2:", "> ", "# ", "* ", "```", "~~~"),
    *(
        " ",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "\t",
        "**",
        "*웃는다*",
        "안녕",
        "응, 나도.",
        "{유저}",
        "\u2028",
    ),
)
_LABEL_WORD = re.compile(r"human|gpt", re.IGNORECASE)


def trimmed(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts without space around them, never empty."""
    return texts.map(str.strip).filter(bool)


def as_turns(contents: list[str]) -> list[Turn]:
    """Turns that alternate, the user's first."""
    return [
        Turn(role="assistant" if position % 2 else "user", content=content)
        for position, content in enumerate(contents)
    ]


def _dialogues(contents: st.SearchStrategy[str]) -> st.SearchStrategy[list[Turn]]:
    pairs = st.lists(st.tuples(contents, contents), min_size=1, max_size=5)
    return pairs.map(lambda pairs: as_turns([text for pair in pairs for text in pair]))


def dialogues() -> st.SearchStrategy[list[Turn]]:
    """Dialogues of any text that holds no label and no carriage return."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\r")
    contents = trimmed(st.text(letters, max_size=60))
    return _dialogues(contents.filter(lambda text: not _LABEL_WORD.search(text)))


def hostile_texts() -> st.SearchStrategy[str]:
    """Texts made of labels, marks, fences and breaks in any order."""
    return st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def hostile_dialogues() -> st.SearchStrategy[list[Turn]]:
    """Dialogues of hostile texts."""
    return _dialogues(trimmed(hostile_texts()))
