"""What falls out of the context is summarised, and nothing else; a failure never stops a talk."""

from itertools import pairwise
from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from exagirl.chat.conversation import Memory
from exagirl.chat.memory import forgotten, recall_facts
from exagirl.chat.session import ChatOptions, Session
from exagirl.chat.store import ChatStore
from exagirl.errors import ModelError
from support.talkers import Talker, plain_character, raws, says, talk_of

SMALL = ChatOptions(context_tokens=160, reply_tokens=0, memory_tokens=60)


class Rememberer(Talker):
    """Talks, and writes facts down when asked to."""

    def __init__(self, facts, *replies):
        super().__init__(*replies)
        self.facts = facts
        self.asked = []

    def speak(self, messages, stop):
        """Tell a summary's request from a talk's."""
        if "기록자" not in messages[0]["content"]:
            yield from super().speak(messages, stop)
            return
        self.asked.append(messages[-1]["content"])
        if isinstance(self.facts, BaseException):
            raise self.facts
        yield self.facts


def talked(backend, turns=12, options=SMALL):
    """A talk that is longer than its window."""
    session = Session(plain_character(), backend, user="지은", options=options)
    for at in range(turns):
        says(session, f"{at}번째 이야기인데 오늘은 바닷가에서 고양이를 봤어.")
    return session


def test_a_talk_that_fits_is_not_summarised():
    """The model is asked for replies only."""
    backend = Rememberer("- 고양이를 봤다")
    talked(backend, turns=2)
    assert backend.asked == []


def test_what_fell_out_is_summarised_and_given_again():
    """Facts stand in the system message, and the look at the prompt shows them."""
    session = talked(Rememberer("- 지은이는 고양이를 좋아한다\n- 바다에 살고 싶어 한다"))
    prompt = session.prompt("고양이 얘기 또 하자")
    assert "지은이는 고양이를 좋아한다" in prompt.recalled
    assert "지은이는 고양이를 좋아한다" in prompt.messages[0]["content"]


def test_only_what_fell_out_is_read():
    """No turn that is still in the context is summarised, and none twice."""
    backend = Rememberer("- 고양이를 봤다")
    session = talked(backend)
    read = [line for text in backend.asked for line in text.splitlines() if "번째" in line]
    assert len(read) == len(set(read))
    assert not any(f"{11}번째" in line for line in read)
    assert session.prompt("저기").unsummarised <= 4


def test_a_failed_summary_does_not_stop_the_talk():
    """What fell out is then said to be without a memory, and why."""
    session = talked(Rememberer(ModelError("메모리 부족")))
    assert len(raws(session)) == 24
    assert session.memory_fault == "메모리 부족"
    assert session.prompt("저기").unsummarised > 0
    assert session.memories == ()


def test_an_unexpected_fault_does_not_stop_the_talk_either():
    """Whatever a backend raises."""
    session = talked(Rememberer(RuntimeError("CUDA")))
    assert (len(raws(session)), session.memory_fault) == (24, "CUDA")


def test_an_empty_summary_is_no_memory():
    """It is told."""
    session = talked(Rememberer("   \n- \n"))
    assert "비어" in session.memory_fault


def test_a_failure_is_not_tried_again_at_every_turn():
    """Only when more has fallen out, or when somebody asks."""
    backend = Rememberer(ModelError("끊김"))
    session = talked(backend)
    tries = len(backend.asked)
    assert tries < 6
    backend.facts = "- 고양이를 봤다"
    assert session.remember() == ""
    assert session.memories[0].facts == ("고양이를 봤다",)


def test_an_endless_summary_is_bounded():
    """Facts are few and short."""
    session = talked(Rememberer("\n".join(f"- {at}번 사실 " + "가" * 500 for at in range(99))))
    assert all(len(memory.facts) <= 8 for memory in session.memories)
    assert all(len(fact) <= 160 for memory in session.memories for fact in memory.facts)


def test_a_memory_of_words_that_were_changed_does_not_count():
    """It is made anew from what stands now."""
    session = talked(Rememberer("- 고양이를 봤다"))
    before = len(session.memories)
    session.edit(0, "나는 강아지를 키워.")
    assert len(session.memories) == before - 1
    session.undo()
    assert len(session.memories) == before


def test_undo_leaves_memories_alone():
    """A memory is no change of the person's."""
    session = talked(Rememberer("- 고양이를 봤다"))
    before = session.memories
    session.pin("비밀")
    session.undo()
    assert session.memories == before


def test_memories_are_stored(tmp_path):
    """They are there when the chat is opened again."""
    with ChatStore(tmp_path / "chats.sqlite") as store:
        session = Session(plain_character(), Rememberer("- 고양이를 봤다"), options=SMALL)
        chat = session.store_in(store)
        for at in range(12):
            says(session, f"{at}번째 이야기인데 오늘은 바닷가에서 고양이를 봤어.")
        again = Session(plain_character(), Talker(), options=SMALL)
        again.resume(store, chat)
        assert again.memories == session.memories != ()


def test_facts_are_recalled_by_what_is_said():
    """Those that share words come first, within the budget, in their order."""
    memory = Memory(
        first=1, last=2, digest="", facts=("고양이를 키운다", "비를 싫어한다", "의사다")
    )
    assert recall_facts([memory], ["비가 와서 싫어"], 9, len) == ["비를 싫어한다"]
    assert recall_facts([memory], [], 100, len) == list(memory.facts)


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 12)))
def test_forgotten_turns_are_those_without_a_memory(left_out, tens):
    """Whatever stretches are remembered."""
    memories = [
        Memory(first=5 * ten - 4, last=5 * ten - 1, digest="", facts=()) for ten in sorted(tens)
    ]
    covered = {n for m in memories for n in range(m.first, m.last + 1)}
    assert forgotten(sorted(left_out), memories) == sorted(left_out - covered)


def test_recalled_facts_stay_while_nothing_fits_better():
    """So that the prompt begins alike."""
    facts = ("고양이를 키운다", "비가 오면 우울해한다", "의사가 되고 싶다")
    memory = Memory(first=1, last=2, digest="", facts=facts)
    assert recall_facts([memory], ["고양이"], 12, len, facts[1:2]) == ["비가 오면 우울해한다"]
    words = ["고양이를 키운다고 했지"]
    assert recall_facts([memory], words, 12, len, facts[1:2]) == ["고양이를 키운다"]


def test_a_summary_that_hangs_is_given_up():
    """Though not a word of it comes."""

    class Hanging(Rememberer):
        def speak(self, messages, stop):
            if "기록자" not in messages[0]["content"]:
                yield from super().speak(messages, stop)
            else:
                stop.wait()

    options = SMALL.model_copy(update={"memory_s": 0.05})
    session = talked(Hanging(""), options=options)
    assert "0.05초가 넘게" in session.memory_fault
    assert session.prompt("저기").unsummarised > 0


def test_a_stop_ends_a_summary_too():
    """Who stops waits for nothing more."""
    stop = Event()

    class Stopped(Rememberer):
        def speak(self, messages, inner):
            if "기록자" in messages[0]["content"]:
                stop.set()
            yield from super().speak(messages, inner)

    session = Session(plain_character(), Stopped("- 고양이를 봤다"), options=SMALL)
    while not stop.is_set():
        says(session, "오늘은 바닷가에서 고양이를 봤어.", stop=stop)
    assert session.memories == ()
    assert "멈췄습니다" in session.memory_fault


def test_a_long_log_is_summarised_stretch_by_stretch():
    """Until nothing is without a memory, also where it is not done by itself."""
    backend = Rememberer("- 고양이를 봤다")
    options = SMALL.model_copy(update={"remembers": False})
    session = Session(plain_character(), backend, options=options)
    talk_of(session, [f"{at}번째 이야기인데 오늘은 고양이를 봤어." for at in range(40)])
    for _ in range(40):
        if not session.prompt().unsummarised:
            break
        assert session.remember() == ""
    assert session.prompt().unsummarised == 0
    spans = [(memory.first, memory.last) for memory in session.memories]
    assert all(a[1] < b[0] for a, b in pairwise(spans))
