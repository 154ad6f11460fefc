"""How a reply is drawn, and what came of it."""

from __future__ import annotations

from exagirl.record import Record


class Sampling(Record):
    """How a reply is drawn."""

    max_new_tokens: int = 256
    temperature: float = 0.7
    """0 takes the likeliest token every time."""
    top_p: float = 0.9
    repetition_penalty: float = 1.1
    seed: int | None = None


class Completion(Record):
    """A reply with what it took."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    is_cut: bool
    """True where the limit ended it, not the model."""
