"""What is known about all queues and servers together?"""

from __future__ import annotations

from typing import ClassVar

import pytest

from asynq_compat.machine.applied import Verdict
from asynq_compat.machine.control import ControlApplied, ControlMachine
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.token_command import return_token, take_token
from tests.unit.machine.log import START_MS

START_S = START_MS // 1000
WRITER = b"w" * 16


class Control:
    """A control journal."""

    def __init__(self) -> None:
        self.machine = ControlMachine()
        self.now_ms = START_MS
        self.position = -1

    def say(self, *commands: c.Command) -> ControlApplied:
        self.position += 1
        data = encode_frame(WRITER, self.position + 1, commands)
        return self.machine.apply(self.position, self.now_ms, True, data)


def test_queues_are_known_once_and_sorted() -> None:
    control = Control()
    control.say(c.queue("b", 1), c.queue("a", 2), c.queue("b", 9))

    assert list(control.machine.queues().items()) == [("a", 2), ("b", 1)]


def test_a_servers_word_holds_for_its_ttl() -> None:
    control = Control()
    control.say(c.server("s", b"info", [("task", b"worker")], 10))

    (server,) = control.machine.servers(START_MS + 9_999)
    assert (server.key, server.info, server.workers) == ("s", b"info", [("task", b"worker")])
    assert control.machine.servers(START_MS + 10_000) == []

    control.now_ms += 10_000
    control.say(c.queue("q", 1))
    assert control.machine.servers(START_MS) == []


def test_a_server_withdraws_its_word() -> None:
    control = Control()
    control.say(c.server("s", b"1", [], 10), c.server("s", b"2", [], 10))
    assert [server.info for server in control.machine.servers(START_MS)] == [b"2"]

    control.say(c.server_gone("s"), c.server_gone("nobody"))

    assert control.machine.servers(START_MS) == []


def test_a_cancellation_is_told_by_the_entry_that_brings_it() -> None:
    control = Control()

    assert control.say(c.cancel("a"), c.cancel("b")).cancelled == ["a", "b"]
    assert control.say(c.queue("q", 1)).cancelled == []


NUMBERS = list(range(100, 100 + len(c.COUNTED)))


def told(queue: str, partition: int, position: int = 7, numbers: list[int] = NUMBERS) -> c.Command:
    return c.counts(queue, partition, position, START_MS - 5, numbers, is_paused=True, oldest_pending_since_ms=START_MS)


def test_the_last_word_on_each_partition_counts_and_has_its_time() -> None:
    control = Control()
    control.say(told("q", 1), told("q", 0), told("a", 0, 9))
    control.now_ms += 5_000
    control.say(told("q", 0, 3, [*NUMBERS, 1, 2]))

    first, second, third = control.machine.counts()
    assert (first.queue, first.partition, first.position, first.told_ms) == ("a", 0, 9, START_MS)
    assert (second.queue, second.partition, second.position, second.told_ms) == ("q", 0, 3, START_MS + 5_000)
    assert (third.clock_ms, third.is_paused, third.oldest_pending_since_ms) == (START_MS - 5, True, START_MS)
    assert second.by_name() == third.by_name() == dict(zip(c.COUNTED, NUMBERS, strict=True))
    assert second.numbers[-2:] == [1, 2]  # What a later release counts is passed on.


class OlderMachine(ControlMachine):
    """As released before COUNTS and tokens."""

    _TRANSITIONS: ClassVar = {
        code: function for code, function in ControlMachine._TRANSITIONS.items() if code <= c.CANCEL
    }


def test_a_release_that_does_not_know_what_came_later_stays_on_the_same_trail() -> None:
    control, older = Control(), OlderMachine()
    frames = [
        [c.queue("q", 1)],
        [told("q", 0)],
        [told("q", 0, 8), c.cancel("t")],
        [take_token("s", "t", 1, START_S), take_token("s", "u", 1, START_S), return_token("s", "v")],
    ]

    for position, commands in enumerate(frames):
        applied = control.say(*commands)
        same = older.apply(position, START_MS, True, encode_frame(WRITER, position + 1, commands))
        assert same.outcomes == applied.outcomes

    assert older.trail == control.machine.trail
    assert (older.counts(), older.token("s", "t"), applied.notes) == ([], None, [])
    assert control.machine.counts()
    assert control.machine.token("s", "t")


def test_malformed_counts_leave_the_word_before() -> None:
    control = Control()
    control.say(told("q", 0))
    before = control.machine.counts()
    for number, wrong in enumerate(["", -1, "7", None, 1, "then", NUMBERS[1:]], 1):
        command: c.Command = [*told("q", 0, 8)]
        command[number] = wrong
        applied = control.say(command)
        assert (applied.outcomes, len(applied.notes)) == ([[c.REJECTED]], 1), command
    control.say(told("q", 0)[:-1])
    control.say(told("q", 0, 8, [*NUMBERS[1:], -1]))

    assert control.machine.counts() == before


@pytest.mark.parametrize(
    "command",
    [
        [c.QUEUE, "q"],
        [c.QUEUE, "", 1],
        [c.QUEUE, "q", 0],
        [c.SERVER, "s", "text", [], 10],
        [c.SERVER, "s", b"", [["a"]], 10],
        [c.SERVER, "s", b"", [], 0],
        [c.SERVER_GONE],
        [c.CANCEL, 7],
        [c.CANCEL, ""],
        [c.ENQUEUE, [], []],
        [99],
    ],
)
def test_a_malformed_command_is_rejected(command: c.Command) -> None:
    assert Control().say(command).outcomes == [[c.REJECTED]]


def test_a_frame_that_comes_twice_changes_nothing() -> None:
    control = Control()
    control.say(c.queue("q", 1))
    data = encode_frame(WRITER, 1, [c.queue("q", 1)])

    assert control.machine.apply(5, START_MS, True, data).verdict is Verdict.DUPLICATE
    assert control.machine.apply(5, START_MS, True, data).verdict is Verdict.REFUSED
    assert control.machine.apply(6, START_MS, True, b"text").verdict is Verdict.UNREADABLE
    assert control.machine.apply(7, START_MS, True, encode_frame(WRITER, 3, [])).verdict is Verdict.REFUSED
    assert control.machine.writer_sequence(WRITER) == 1


def test_equal_entries_give_equal_digests() -> None:
    first, second = Control(), Control()
    for control in (first, second):
        control.say(c.queue("q", 1), c.server("s", b"i", [("t", b"w")], 10))

    assert first.machine.digest() == second.machine.digest()
    second.say(c.cancel("t"))
    assert first.machine.digest() != second.machine.digest()


def test_a_token_names_the_entry_that_gave_it() -> None:
    control = Control()
    control.say(take_token("s", "a", 2, START_S + 10))
    control.say(take_token("s", "b", 2, START_S + 20), take_token("s", "c", 2, START_S + 20))
    control.say(take_token("s", "a", 2, START_S + 30))  # No place is free.
    control.say(return_token("s", "b"), return_token("nothing", "b"), return_token("s", "b"))
    control.say(take_token("s", "a", 2, START_S + 40))

    token = control.machine.token("s", "a")
    assert token
    assert (token.position, token.deadline_s) == (4, START_S + 40)
    assert [control.machine.token("s", task_id) for task_id in "bc"] == [None, None]


def test_a_token_counts_for_a_second_behind_its_deadline() -> None:
    control = Control()
    control.say(take_token("s", "a", 1, START_S + 10), take_token("s", "late", 2, START_S - 1))
    assert control.machine.token("s", "late") is None  # Its time was over when it came.

    for after_ms, holder in ((10_999, "a"), (11_000, "b")):
        control.now_ms = START_MS // 1000 * 1000 + after_ms
        control.say(take_token("s", "b", 1, START_S + 60))
        assert [task_id for task_id in "ab" if control.machine.token("s", task_id)] == [holder]


@pytest.mark.parametrize(
    "command",
    [
        [c.TAKE_TOKEN, "s", "t", 1],
        [c.TAKE_TOKEN, "", "t", 1, START_S],
        [c.TAKE_TOKEN, "s", "", 1, START_S],
        [c.TAKE_TOKEN, b"s", "t", 1, START_S],
        [c.TAKE_TOKEN, "s", 5, 1, START_S],
        [c.TAKE_TOKEN, "s", "t", 0, START_S],
        [c.TAKE_TOKEN, "s", "t", 1_000_001, START_S],
        [c.TAKE_TOKEN, "s", "t", True, START_S],
        [c.TAKE_TOKEN, "s", "t", 1, None],
        [c.RETURN_TOKEN, "s"],
        [c.RETURN_TOKEN, "s", b"held"],
        [c.RETURN_TOKEN, None, "held"],
    ],
)
def test_a_malformed_command_over_tokens_changes_nothing(command: c.Command) -> None:
    control = Control()
    control.say(take_token("s", "held", 3, START_S + 10))

    applied = control.say(command)

    assert (applied.outcomes, len(applied.notes)) == ([[c.REJECTED]], 1)
    assert [row[:2] for row in control.machine.state.tokens.rows()] == [("s", "held")]
