"""What the tests of modes, checks and reading again share: orders, talkers, journalled replies."""

import sqlite3
from collections import Counter
from threading import Lock

from exagirl.artifact import fingerprint
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.check import Rejection
from exagirl.dialogue.duplicates import Limits
from exagirl.dialogue.generate import generate_dialogues
from exagirl.dialogue.journal import Address, open_journal
from exagirl.dialogue.judge import Judge
from exagirl.dialogue.mode import Script, Simulation
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.order import Order
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.reparse import Rereader
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.chat_server import says

NAME = "teacher"
"""The order that `support.teachers.fill` journals under, too."""
USER_LINES = ("오늘 비 와?", "아니 깜빡함", "그럼 저녁은 뭐 먹지", "좋다 그걸로 하자")
CHARACTER_LINES = (
    "*창밖을 내다보며* 응, 조금씩 내려. 우산은 챙겼어?",
    "그럼 현관에 있는 거 들고 가. *우산을 건넨다*",
    "김치찌개 어때? *냉장고를 연다* 두부도 남았거든.",
    "*앞치마를 두른다* 좋아, 금방 끓일게.",
)
POLITE_LINE = "네, 지금 비가 내리고 있어요. 우산을 챙기세요."
WHO_ASKS = "이야기하는 사람이다"
"""Stands in the prompt of whoever plays the user, and in no other."""

GENERATE = """
import sys
from pathlib import Path
from support.modes import generate, order_from
order = order_from(sys.argv[1])
generate(Path(sys.argv[2]), order)
"""


def exa_order(teacher: TeacherOptions, options: GenerationOptions, seed: int = 7) -> Order:
    """An order of 엑사's."""
    return Order(load_character("exa"), teacher, options, seed)


def order_from(text: str) -> Order:
    """An order of 엑사's from one argument of a command: the teacher and the options as JSON."""
    teacher, options = text.split("\n")
    return exa_order(
        TeacherOptions.model_validate_json(teacher), GenerationOptions.model_validate_json(options)
    )


def as_argument(order: Order) -> str:
    """The argument that `order_from` reads."""
    return f"{order.teacher.model_dump_json()}\n{order.options.model_dump_json()}"


def generate(folder, order):
    """Generate an order's dialogues."""
    return generate_dialogues(order, folder=folder, watcher=Nobody())


def talk_slots(count: int, turns: int = 2) -> list[Slot]:
    """Slots of simulated conversations with prompts of their own."""
    return [
        Slot(subset="exa-data", topic="daily", index=n, phrase=f"{n}번째 이야기", turns=turns)
        for n in range(count)
    ]


def is_user_asked(asked) -> bool:
    """True where a request goes to whoever plays the user."""
    return WHO_ASKS in asked.system


def place_of(asked) -> int:
    """How many lines of the conversation a request knows."""
    messages = len(asked.body["messages"])
    return messages - 2 if is_user_asked(asked) else messages - 1


def line_at(place: int) -> str:
    """What is said at a place of a conversation."""
    return (CHARACTER_LINES if place % 2 else USER_LINES)[place // 2]


def talks(asked):
    """A teacher that plays both sides well."""
    return says(line_at(place_of(asked)))


def stumbles(place: int, *answers):
    """A teacher that first gives other answers at one place of every conversation."""
    met = Counter()
    lock = Lock()

    def script(asked):
        if place_of(asked) != place:
            return talks(asked)
        with lock:
            met[asked.system] += 1
            number = met[asked.system]
        return answers[number - 1] if number <= len(answers) else talks(asked)

    return script


def journal_replies(folder, slot, *replies, order=NAME):
    """Write replies down as if they had been paid for and never read."""
    with open_journal(folder / "journal.sqlite", order) as journal:
        address = Address(slot.key, fingerprint([order, slot]))
        for reply in replies:
            one = reply if isinstance(reply, ChatReply) else ChatReply(content=reply)
            journal.write_reply(address, one, 0.1)


def reread(folder, wanted, *, simulated=False, limits=None, judge=None, mode=None, order=NAME):
    """Read every reply of a folder's journal again."""
    prompt = TeacherPrompt(load_character("exa"))
    how = mode or (Simulation(prompt) if simulated else Script(prompt))
    with open_journal(folder / "journal.sqlite", order) as journal:
        reader = Rereader(
            journal, order, how, limits or Limits(None, None), Judge(judge) if judge else None
        )
        return reader.read(wanted, Nobody())


def rows(folder, query):
    """What the journal of a folder holds."""
    connection = sqlite3.connect(folder / "journal.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def edit(folder, statement):
    """Change the journal of a folder behind the program's back."""
    connection = sqlite3.connect(folder / "journal.sqlite", isolation_level=None)
    try:
        connection.execute(statement)
    finally:
        connection.close()


def verdicts(folder):
    """The verdicts on all replies, oldest first; a judge's replies are left out."""
    query = "SELECT verdict FROM attempts WHERE kind = 'reply' ORDER BY id"
    return [verdict for (verdict,) in rows(folder, query)]


def said_in(dialogue: Dialogue) -> list[str]:
    """What is said in a dialogue, turn by turn."""
    return [turn.content for turn in dialogue.turns]


class Harsh:
    """A mode whose checks have become stricter: no line may hold a word."""

    def __init__(self, mode, word):
        self._mode, self._word = mode, word

    def replies(self, slot):
        """As many as before."""
        return self._mode.replies(slot)

    def read(self, slot, said, reply):
        """Refuse the word, else read as before."""
        if self._word in reply.content:
            whole = self._mode.replies(slot) == 1
            return Rejection(code="word", message=f"'{self._word}'", is_whole=whole)
        return self._mode.read(slot, said, reply)
