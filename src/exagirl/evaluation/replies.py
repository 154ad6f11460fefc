"""Draw every reply in batches; each is kept at once, and none is drawn twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from exagirl.artifact import fingerprint
from exagirl.chatmodel.sampling import Completion, Sampling
from exagirl.dialogue.records import Turn
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.asking import Questions, Said, Script
from exagirl.evaluation.scores import Reply
from exagirl.progress import Watcher
from exagirl.record import Record

KIND = "reply"


class Speaker(Protocol):
    """A model that replies."""

    def draw(
        self,
        conversations: Sequence[Sequence[dict[str, str]]],
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Sequence[Completion]:
        """One reply to each conversation; a seed each, which alone decides what is drawn."""


class Drawing(Record):
    """How replies are drawn from one model."""

    name: str
    """``base``, ``tuned`` …"""
    label: str
    digest: str
    """Of the model: replies that were kept under it are not drawn again."""
    sampling: Sampling
    batch_size: int
    seed: int


def draw_replies(
    model: Speaker, questions: Questions, how: Drawing, *, answers: Answers, watcher: Watcher
) -> tuple[Reply, ...]:
    """Every reply of one model, in the order of the scripts.

    The texts are as the model wrote them, ``{유저}`` and all. An empty reply is a reply.

    Args:
        model: Asked only for what ``answers`` does not hold.
        questions: What is asked.
        how: How it is drawn.
        answers: Where every reply is kept as soon as its batch is there.
        watcher: Told about every batch; the total is the number of all replies.

    Raises:
        ExagirlError: The model cannot answer; what was drawn is kept, and a second call goes on.
        ValueError: A script branches off one that is not there, or that is too short.
    """
    watcher.start(f"{how.label}: 답 받기", questions.replies)
    talks = _Talks(questions.scripts)
    while not talks.are_done:
        recalled = sum(_recall(talk, how, answers) for talk in talks.waiting())
        if recalled:
            watcher.advance(recalled, note="받아 둔 답")
            continue
        batch = talks.waiting()[: how.batch_size]
        if not batch:
            raise ValueError("a script branches off one that is not there")
        _draw(model, batch, how, answers)
        watcher.advance(len(batch), note=batch[0].note)
    watcher.finish(f"답 {questions.replies}개")
    return talks.replies(how.name)


class _Talk:
    """A script on its way."""

    def __init__(self, script: Script, opening: tuple[Said, ...]) -> None:
        self.script = script
        self.replies: list[Completion] = []
        self.is_asked_for = False
        """True once the kept answers were searched for the next reply in vain."""
        self._said = list(opening)

    @property
    def left(self) -> int:
        """How many replies it waits for."""
        return len(self.script.lines) - len(self.replies)

    @property
    def note(self) -> str:
        """Where it stands."""
        return f"{self.script.scenario} {len(self.replies)}/{len(self.script.lines)}"

    @property
    def characters(self) -> int:
        """How long it is by now."""
        return sum(len(one.content) for one in self._said)

    def before(self, count: int) -> tuple[Said, ...]:
        """What was said before the user's line number ``count``, from 0."""
        return tuple(self._said[: len(self._said) - 2 * (len(self.replies) - count)])

    def asked(self, count: int) -> tuple[Said, ...]:
        """The messages that reply number ``count``, from 0, answers."""
        return (*self.before(count), Said(role="user", content=self.script.lines[count]))

    @property
    def next(self) -> tuple[Said, ...]:
        """The messages that the next reply answers."""
        return self.asked(len(self.replies))

    def take(self, reply: Completion) -> None:
        """Go on with a reply."""
        line = self.script.lines[len(self.replies)]
        self._said += [Said(role="user", content=line), Said(role="assistant", content=reply.text)]
        self.replies.append(reply)
        self.is_asked_for = False

    def as_replies(self, model: str) -> Iterator[Reply]:
        """What was said, a record a reply."""
        for count, reply in enumerate(self.replies):
            yield Reply(
                model=model,
                scenario=self.script.scenario,
                kind=self.script.kind,
                position=self.script.position + count,
                before=tuple(
                    Turn(role="user" if one.role == "user" else "assistant", content=one.content)
                    for one in self.asked(count)
                    if one.role != "system"
                ),
                text=reply.text,
                is_cut=reply.is_cut,
            )


class _Talks:
    """All scripts; a branch begins when the talk that it leaves has come so far."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self._scripts = scripts
        self._talks: dict[int, _Talk] = {}

    @property
    def are_done(self) -> bool:
        """True when every reply is there."""
        self._begin()
        return len(self._talks) == len(self._scripts) and not self.waiting()

    def waiting(self) -> list[_Talk]:
        """Talks that wait for a reply, in the order of their turn.

        Those with the most turns to go come first, since they decide how many batches it takes;
        among the others the longest, since a batch is as wide as its longest prompt.
        """
        self._begin()
        left = [talk for talk in self._talks.values() if talk.left]
        return sorted(left, key=lambda talk: (-talk.left, -talk.characters))

    def replies(self, model: str) -> tuple[Reply, ...]:
        """Every reply, in the order of the scripts."""
        numbers = sorted(self._talks)
        return tuple(one for number in numbers for one in self._talks[number].as_replies(model))

    def _begin(self) -> None:
        parents = {
            talk.script.scenario: talk for talk in self._talks.values() if not talk.script.branch
        }
        for number, script in enumerate(self._scripts):
            if number in self._talks:
                continue
            if script.branch is None:
                self._talks[number] = _Talk(script, script.opening)
                continue
            parent = parents.get(script.branch.scenario)
            if parent is not None and len(parent.replies) >= script.branch.replies:
                self._talks[number] = _Talk(script, parent.before(script.branch.replies))


def _recall(talk: _Talk, how: Drawing, answers: Answers) -> int:
    """Go on with the replies that were kept; tell how many."""
    count = 0
    while talk.left and not talk.is_asked_for:
        kept = answers.get(KIND, _key(talk, how))
        talk.is_asked_for = kept is None
        if kept is not None:
            talk.take(Completion.model_validate_json(kept))
            count += 1
    return count


def _draw(model: Speaker, batch: Sequence[_Talk], how: Drawing, answers: Answers) -> None:
    conversations = [[one.model_dump() for one in talk.next] for talk in batch]
    seeds = [_seed(talk, how) for talk in batch]
    for talk, reply in zip(batch, model.draw(conversations, how.sampling, seeds), strict=True):
        answers.put(KIND, _key(talk, how), reply.model_dump_json())
        talk.take(reply)


def _key(talk: _Talk, how: Drawing) -> dict[str, Any]:
    """All that a reply depends on."""
    return {
        "model": how.digest,
        "messages": list(talk.next),
        "sampling": how.sampling,
        "seed": _seed(talk, how),
    }


def _seed(talk: _Talk, how: Drawing) -> int:
    """A seed for one reply, the same for every model; 31 bits."""
    place = [how.seed, talk.script.scenario, talk.script.kind]
    return int(fingerprint([*place, talk.script.position + len(talk.replies)])[:8], 16) >> 1
