"""What a turn costs as a conversation grows, with what was read before remembered and without.

Run: OMP_NUM_THREADS=1 python benchmarks/chat_kv.py [MODEL_FOLDER] [--turns N] [--context TOKENS]
Claim: what is read anew in a turn is no more than what the prompt grew by, however long it is,
except where the window slides. A real session talks over the backend of `exagirl chat`; on the
other side the same session forgets what it read before each turn. Without a folder a random Llama
of about 0.1 billion weights speaks. Prints a Markdown table for RESULTS.md, draws
docs/images/chat-kv.png and exits 1 when the claim does not hold.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from serve import save_model

from exagirl.chat.options import ChatOptions
from exagirl.chat.session import Session
from exagirl.chat.slot_backend import SlotBackend
from exagirl.chatmodel.local import LocalModel
from exagirl.chatmodel.local_memory import PromptMemory
from exagirl.chatmodel.local_slots import SlotModel, Spoken
from exagirl.chatmodel.sampling import Sampling
from exagirl.dataset.chat_template import baked_system
from exagirl.dialogue.corpus import read_subset
from exagirl.persona.character import Character, Speech, read_character

TURNS, CONTEXT, REPLY = 30, 3072, 8
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "chat-kv.png"


class Turn(NamedTuple):
    """What one turn took."""

    prompt: int
    anew: int
    first_ms: float
    """From the person's words to the first token, session and all."""
    begins_at: int
    """The first turn that the model was given."""
    stays: bool
    """False where the model said nothing: the talk is then as it was."""
    head: str
    """The system message, into which a lorebook entry that fires is written."""


class Timed(SlotModel):
    """Notes the prompt of the reply, and when its first token came."""

    prompt: int
    known: int
    first: float

    def join(self, prompt: Sequence[int], sampling: Sampling, seed: int) -> int:
        """Note the prompt."""
        self.prompt, self.first = len(prompt), 0.0
        return super().join(prompt, sampling, seed)

    def advance(self) -> list[Spoken]:
        """Note the first token."""
        said = super().advance()
        if said and not self.first:
            self.first, self.known = time.perf_counter(), said[0].known_tokens
        return said

    def forget(self) -> None:
        """As if nothing had been read."""
        self._memory = PromptMemory()


class Side:
    """One conversation.

    Args:
        local: The model.
        folder: Where its character and its template are, if it has them.
        context: Prompt and reply together, in tokens.
        forgets: Read everything at every turn.
    """

    def __init__(self, local: LocalModel, folder: Path, context: int, *, forgets: bool) -> None:
        self.model = Timed.of(local)
        self.forgets = forgets
        self.turns: list[Turn] = []
        character, template = folder / "character.yaml", folder / "chat_template.jinja"
        system = baked_system(template.read_text("utf-8")) if character.is_file() else None
        options = ChatOptions(
            context_tokens=context, reply_tokens=REPLY, system=system, remembers=False
        )
        who = (
            read_character(character)
            if character.is_file()
            else Character(name="하루", description="바닷가에 산다.", speech=Speech(level="banmal"))
        )
        sampling = Sampling(max_new_tokens=REPLY, seed=1)
        self.session = Session(who, SlotBackend(self.model, sampling), options=options)

    def take(self, text: str) -> None:
        """Hold one turn."""
        if self.forgets:
            self.model.forget()
        before, begin = len(self.session.turns), time.perf_counter()
        list(self.session.say(text))
        prompt = self.session.last_prompt
        assert prompt is not None
        anew = self.model.prompt - self.model.known
        took = (self.model.first - begin) * 1000
        stays = len(self.session.turns) > before
        first = prompt.messages[0]
        head = first["content"] if first["role"] == "system" else ""
        self.turns.append(Turn(self.model.prompt, anew, took, prompt.kept[0], stays, head))


def lines(count: int) -> list[str]:
    """What people say in the dialogues that ship, one line a dialogue."""
    found = (one for dialogues in read_subset("exa-data").values() for one in dialogues)
    said = (turn.content for one in found for turn in one.turns[:1] if turn.role == "user")
    return list(islice(said, count))


def table(known: list[Turn], unknown: list[Turn]) -> None:
    """A row a turn."""
    print("| turn | prompt | read anew | first token, ms | ms without memory | |")
    print("|---|---|---|---|---|---|")
    before = known[0]
    for at, (ours, theirs) in enumerate(zip(known, unknown, strict=True), 1):
        note = "" if ours.begins_at == before.begins_at else "the window slides"
        if not note and ours.head != before.head:
            note = "lore is called up: another system message"
        before = ours
        times = f"{ours.first_ms:.0f} | {theirs.first_ms:.0f}"
        print(f"| {at} | {ours.prompt} | {ours.anew} | {times} | {note} |")
    tail = [(one.first_ms, other.first_ms) for one, other in zip(known, unknown, strict=True)][-10:]
    middle = [statistics.median(side) for side in zip(*tail, strict=True)]
    shares = sum(one.anew for one in known) / sum(one.prompt for one in known)
    print(f"\nLast ten turns, medians: {middle[0]:.0f} ms with memory, {middle[1]:.0f} ms without.")
    print(f"Of all tokens of all prompts {shares:.0%} were read anew.")
    heads = sum(
        one.head != two.head or one.begins_at != two.begins_at for one, two in pairwise(known)
    )
    print(f"Turns that read more than the prompt grew by: {len(too_much(known))}.")
    print(f"Beside these, turns in which the window slid or the system message changed: {heads}.")


def too_much(turns: list[Turn]) -> list[tuple[Turn, Turn]]:
    """Turns that read more than the prompt grew by, though what stands before is the same."""
    stayed = [turn for turn in turns if turn.stays]
    return [
        (one, two)
        for one, two in pairwise(stayed)
        if one.begins_at == two.begins_at
        and one.head == two.head
        and two.anew > two.prompt - one.prompt
    ]


def draw(known: list[Turn], unknown: list[Turn]) -> None:
    """Two panels: tokens, and milliseconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    panels: Any = figure.subplots(1, 2)
    at = range(1, len(known) + 1)
    sides = (
        (unknown, "read whole each turn", "#b0b0b8"),
        (known, "keys and values kept", "#3b6fd4"),
    )
    for side, label, colour in sides:
        panels[0].plot(at, [one.anew for one in side], color=colour, label=label)
        panels[1].plot(at, [one.first_ms for one in side], color=colour, label=label)
    for panel, title in zip(panels, ("prompt tokens read", "ms to the first token"), strict=True):
        panel.set_title(title, fontsize=9)
        panel.set_xlabel("turn", fontsize=8)
        panel.set_ylim(bottom=0)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(fontsize=8, frameon=False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)


def main() -> int:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--context", type=int, default=CONTEXT)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.model or save_model(Path(temporary))
        local = LocalModel.load(folder)
        sides = [Side(local, folder, chosen.context, forgets=way) for way in (False, True)]
        for text in lines(chosen.turns):
            for side in sides:
                side.take(text)
    table(sides[0].turns, sides[1].turns)
    draw(sides[0].turns, sides[1].turns)
    return 1 if too_much(sides[0].turns) else 0


if __name__ == "__main__":
    sys.exit(main())
