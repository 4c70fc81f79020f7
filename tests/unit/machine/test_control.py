"""What is known about all queues and servers together?"""

from __future__ import annotations

import pytest

from asynq_compat.machine.applied import Verdict
from asynq_compat.machine.control import ControlApplied, ControlMachine
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.unit.machine.log import START_MS

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
