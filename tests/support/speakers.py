"""Models that reply by a rule, to see what is asked of them; and small subjects to measure."""

import hashlib
import json

from exagirl.chatmodel.sampling import Completion
from exagirl.evaluation.bench import Subject
from exagirl.evaluation.options import EvaluationOptions
from exagirl.persona.character import load_character
from exagirl.persona.system_prompt import render_system_prompt

EXA = load_character("exa")
SYSTEM = render_system_prompt(EXA, detail="brief")
FEW = EvaluationOptions(
    replies=4,
    probes=3,
    facts=2,
    fact_turns=(1, 3),
    drift_turns=3,
    plain_texts=2,
    max_new_tokens=8,
    batch_size=4,
)


class Parrot:
    """Replies with a hash of what it was given and its seed; remembers every batch."""

    def __init__(self, dies_after=None):
        self.batches = []
        self._left = dies_after

    @property
    def asked(self):
        """Every conversation that it was given."""
        return [one for batch in self.batches for one in batch]

    def draw(self, conversations, sampling, seeds):
        """Reply, or die."""
        if self._left == 0:
            raise KeyboardInterrupt
        if self._left is not None:
            self._left -= 1
        self.batches.append([list(one) for one in conversations])
        return [
            Completion(
                text=self.say(messages, seed), prompt_tokens=1, completion_tokens=1, is_cut=False
            )
            for messages, seed in zip(conversations, seeds, strict=True)
        ]

    def say(self, messages, seed):
        """The reply to one conversation."""
        text = json.dumps([messages, seed], ensure_ascii=False)
        return f"*웃으며* 그래, {hashlib.sha256(text.encode()).hexdigest()[:6]}번이야!"


class Mute(Parrot):
    """Says nothing at all."""

    def say(self, messages, seed):
        """Nothing."""
        return ""


class Loss:
    """So many nats."""

    def __init__(self, nats, tokens=1):
        self.nats, self.tokens = nats, tokens


class Reading(Parrot):
    """Finds every character a number of nats, and more under a card that is not its own."""

    def __init__(self, nats=1.0, own=SYSTEM, wrong=0.5):
        super().__init__()
        self.read = []
        self._nats, self._own, self._wrong = nats, own, wrong

    def read_replies(self, conversations):
        """So much a character of every reply."""
        self.read += conversations
        return [Loss(self._price(one) * _characters(one)) for one in conversations]

    def read_texts(self, texts):
        """So much a character."""
        self.read += texts
        return [Loss(self._nats * len(text)) for text in texts]

    def _price(self, messages):
        return self._nats + (0 if messages[0]["content"] == self._own else self._wrong)


def _characters(messages):
    return sum(len(one["content"]) for one in messages if one["role"] == "assistant")


def talk(number, exchanges=2):
    """A held-out dialogue."""
    messages = [{"role": "system", "content": SYSTEM}]
    for turn in range(exchanges):
        messages.append({"role": "user", "content": f"{number}번째 이야기 {turn}"})
        messages.append({"role": "assistant", "content": f"*끄덕이며* 응, {'정말 ' * number}좋아!"})
    return messages


def subject(conversations=None, options=FEW, character=EXA):
    """A small subject."""
    return Subject(
        run="작은 실행",
        character=character,
        system=SYSTEM,
        detail="brief",
        conversations=[talk(n) for n in range(3)] if conversations is None else conversations,
        options=options,
        seed=7,
    )
