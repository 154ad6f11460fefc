"""One model measured: what it replies, how likely it finds given texts, and what rules say."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from exagirl.chatmodel.sampling import Completion, Sampling
from exagirl.dialogue.corpus import read_probes
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.asking import FACT, Conversation, Questions, choose_questions
from exagirl.evaluation.facts import measure_facts, measure_probes
from exagirl.evaluation.intervals import ByScenario
from exagirl.evaluation.likelihood import (
    Likelihood,
    Reader,
    Texts,
    choose_texts,
    measure_likelihood,
    other_cards,
    unread,
)
from exagirl.evaluation.options import EvaluationOptions
from exagirl.evaluation.probes import USER
from exagirl.evaluation.replies import Drawing, Speaker, draw_replies
from exagirl.evaluation.rules import measure_rules
from exagirl.evaluation.scores import ModelScores, Reply, Trouble
from exagirl.persona.character import Character
from exagirl.persona.system_prompt import Detail
from exagirl.progress import Watcher
from exagirl.record import Record

UNREAD = (
    "이 모델은 글이 얼마나 그럴듯한지 알려 주지 않아 비트와 카드의 값을 재지 못했습니다. 모델 "
    "폴더가 있으면 그것을 재세요."
)


@dataclass(frozen=True)
class Candidate:
    """A model that is measured."""

    label: str
    """What people read."""
    digest: str
    """A hash of its files; what was answered under another digest is not taken for its own."""
    load: Callable[[], Speaker]
    """Called only when something has to be asked. A `Reader` also tells likelihoods."""


@dataclass(frozen=True)
class Subject:
    """Who is measured, and on what."""

    run: str
    """The run's name."""
    character: Character
    system: str
    """The character's system prompt, as training and chat use it."""
    detail: Detail
    """How much of a card that prompt tells; the cards of others are told as far."""
    conversations: Sequence[Conversation]
    """Held-out dialogues, system message first; no training read them. May be empty."""
    options: EvaluationOptions
    seed: int
    """Chooses questions, seeds replies and bootstraps."""


class Asked(Record):
    """What every model gets to answer and to read."""

    questions: Questions
    texts: Texts


class Measured(Record):
    """One model, with what its comparison needs."""

    scores: ModelScores
    values: dict[str, ByScenario]
    """Measure to its values by scenario, of those measures that are sums of such values."""
    replies: tuple[Reply, ...]
    """With their findings."""
    troubles: tuple[Trouble, ...]


def choose(subject: Subject) -> Asked:
    """What every model is asked; the same subject gives the same."""
    options, seed = subject.options, subject.seed
    return Asked(
        questions=choose_questions(
            subject.conversations, subject.character, subject.system, options, seed=seed
        ),
        texts=choose_texts(
            subject.conversations,
            other_cards(subject.character, subject.detail),
            plain=options.plain_texts,
            seed=seed,
        ),
    )


def measure_model(
    name: str,
    candidate: Candidate,
    subject: Subject,
    asked: Asked,
    *,
    answers: Answers,
    watcher: Watcher,
) -> Measured:
    """Read, draw and count; the model is in memory only meanwhile.

    Raises:
        ExagirlError: The model cannot be loaded or cannot answer; what it answered is kept.
    """
    model = _OnDemand(candidate.load)
    likelihood = _read(model, candidate, subject, asked.texts, answers, watcher)
    how = Drawing(
        name=name,
        label=candidate.label,
        digest=candidate.digest,
        sampling=Sampling(max_new_tokens=subject.options.max_new_tokens),
        batch_size=subject.options.batch_size,
        seed=subject.seed,
    )
    replies = draw_replies(model, asked.questions, how, answers=answers, watcher=watcher)
    del model
    gc.collect()
    return _count(name, candidate, subject, likelihood, replies)


class _CannotRead(Exception):  # noqa: N818 (a property of a model, not a user's error)
    """The model replies, but tells no likelihood."""


class _OnDemand:
    """A candidate that is loaded when it is first asked."""

    def __init__(self, load: Callable[[], Speaker]) -> None:
        self._load = load
        self._model: Speaker | None = None

    def draw(
        self, conversations: Sequence[Conversation], sampling: Sampling, seeds: Sequence[int]
    ) -> Sequence[Completion]:
        return self._loaded().draw(conversations, sampling, seeds)

    def read_replies(self, conversations: Sequence[Conversation]) -> Sequence[Any]:
        return self._reader().read_replies(conversations)

    def read_texts(self, texts: Sequence[str]) -> Sequence[Any]:
        return self._reader().read_texts(texts)

    def _loaded(self) -> Speaker:
        if self._model is None:
            self._model = self._load()
        return self._model

    def _reader(self) -> Reader:
        model = self._loaded()
        if not isinstance(model, Reader):
            raise _CannotRead
        return model


def _read(
    model: Reader,
    candidate: Candidate,
    subject: Subject,
    texts: Texts,
    answers: Answers,
    watcher: Watcher,
) -> Likelihood:
    watcher.start(f"{candidate.label}: 글의 가능도", texts.count)
    try:
        found = measure_likelihood(
            model,
            texts,
            digest=candidate.digest,
            answers=answers,
            watcher=watcher,
            seed=subject.seed,
        )
    except _CannotRead:
        found = unread(UNREAD)
    watcher.finish(f"글 {texts.count}편")
    return found


def _count(
    name: str,
    candidate: Candidate,
    subject: Subject,
    likelihood: Likelihood,
    replies: Sequence[Reply],
) -> Measured:
    character, seed = subject.character, subject.seed
    references = [
        message["content"]
        for messages in subject.conversations
        for message in messages
        if message["role"] == "assistant"
    ]

    rules = measure_rules(replies, character, seed=seed, references=references)
    facts = measure_facts(
        [reply for reply in rules.replies if reply.kind == FACT],
        character.facts,
        user=USER,
        character=character.name,
        seed=seed,
    )
    probes = measure_probes(rules.replies, read_probes())
    measures = (
        *rules.measures,
        *facts.measures,
        *probes.measures,
        *likelihood.measures,
    )
    return Measured(
        scores=ModelScores(
            name=name,
            label=candidate.label,
            digest=candidate.digest,
            measures=measures,
            drift=(*rules.drift, *facts.drift),
            findings=rules.findings,
            replies=len(replies),
            empty_replies=rules.empty_replies,
        ),
        values={**rules.values, **facts.values, **probes.values, **likelihood.values},
        replies=rules.replies,
        troubles=tuple(_troubles(name, candidate, replies, likelihood)),
    )


def _troubles(
    name: str, candidate: Candidate, replies: Sequence[Reply], likelihood: Likelihood
) -> Iterator[Trouble]:
    if any(one.note == UNREAD for one in likelihood.measures):
        yield Trouble(part=f"likelihood.{name}", message=f"{candidate.label}: {UNREAD}")
    empty = sum(not reply.text.strip() for reply in replies)
    if empty:
        yield Trouble(
            part=f"replies.{name}",
            message=f"{candidate.label}: 답 {len(replies)}개 가운데 {empty}개가 비어 있습니다. 빈 "
            "답도 답으로 세었습니다.",
        )
