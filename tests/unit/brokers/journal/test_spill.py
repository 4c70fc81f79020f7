"""Does a machine whose backlog is on the disk do as one that has all in memory?"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.brokers.journal.following.same_log import FoldLostError
from asynq_compat.brokers.journal.following.spill import Spill
from asynq_compat.machine.containers.indexes import RESIDENT_TASKS
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.message import TaskMessage, encode_message

WRITER = b"w" * 16
SIZE = 600  # Of a frame: more than joins the segment before it.


def _frame(number: int) -> bytes:
    ids = [f"{number}-{index}" for index in range(SIZE)]
    messages = [
        encode_message(TaskMessage(type="t", payload=os.urandom(index % 40), id=one)) for index, one in enumerate(ids)
    ]
    return encode_frame(WRITER, number + 1, [c.enqueue(ids, messages)])


FRAMES = [_frame(number) for number in range(RESIDENT_TASKS // SIZE + 8)]


def spilled_count(machine: Machine) -> int:
    """Return how many segments of the line are on the disk."""
    return sum(not isinstance(segment.messages, list) for segment, _, _ in machine.state.pending.parts())


class Twins:
    """Two machines over the same log, one with an attic."""

    def __init__(self) -> None:
        self.machines = (Machine("q"), Machine("q", attic=Spill("q")))
        self._position = 0
        for frame in FRAMES:
            self.apply(frame)
        self._sequence = len(FRAMES)
        assert spilled_count(self.machines[1]) > 3

    def apply(self, data: bytes) -> None:
        """Let both take an entry; they do the same."""
        told = [machine.apply(self._position, 1_000 + self._position, True, data) for machine in self.machines]
        self._position += 1
        assert told[0] == told[1]

    def say(self, *commands: c.Command) -> int:
        """Let both take a frame; return its position."""
        self._sequence += 1
        self.apply(encode_frame(WRITER, self._sequence, list(commands)))
        return self._position - 1


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), st.integers(1, 9_000)),
        st.tuples(st.just("close"), st.just(0)),
        st.tuples(st.just("delete"), st.integers(0, len(FRAMES) * SIZE - 1)),
        st.tuples(st.just("archive"), st.integers(0, len(FRAMES) * SIZE - 1)),
        st.tuples(st.just("enqueue"), st.integers(1, 700)),
        st.tuples(st.just("look"), st.integers(0, len(FRAMES) * SIZE - 1)),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(_steps)
def test_it_gives_and_keeps_the_same(steps: list[tuple[str, int]]) -> None:
    twins = Twins()
    session = -1
    for number, (step, value) in enumerate(steps):
        task_id = f"{value // SIZE}-{value % SIZE}"
        if step == "credit":
            if session < 0:
                session = twins.say(c.open_session("s", 10, value))
            else:
                twins.say(c.session(session, 0, 0, value))
        elif step == "close" and session >= 0:
            twins.say(c.close_session(session))
            session = -1
        elif step == "delete":
            twins.say(c.delete([task_id]))
        elif step == "archive":
            twins.say(c.archive([task_id]))
        elif step == "enqueue":
            twins.say(c.enqueue([f"new-{number}-{index}" for index in range(value)], [b"m"] * value))
        elif step == "look":
            assert len({str(machine.task(task_id)) for machine in twins.machines}) == 1
            pages = [machine.list_tasks(TaskState.PENDING, value, 3) for machine in twins.machines]
            assert pages[0] == pages[1]
    plain, lean = twins.machines
    assert plain.digest() == lean.digest()
    assert plain.counts() == lean.counts()


def test_a_restored_machine_is_as_lean() -> None:
    lean = Twins().machines[1]

    again = restore("q", list(snapshot_sections(lean)), attic=Spill("q"))

    assert spilled_count(again) > 0
    assert again.digest() == lean.digest()


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary file can be made."""
    monkeypatch.setattr(tempfile, "tempdir", str(Path(os.devnull) / "nowhere"))


def test_a_large_message_waits_on_the_disk_however_short_the_line() -> None:
    machine = Machine("q", attic=Spill("q"))
    for position in range(3):
        frame = encode_frame(WRITER, position + 1, [c.enqueue([str(position)], [bytes(2_000_000)])])
        machine.apply(position, 1_000, True, frame)

    assert spilled_count(machine) >= 1
    assert [len(view.message) for view in machine.list_tasks(TaskState.PENDING)] == [2_000_000] * 3


def test_without_room_all_stays_in_memory_and_that_is_said_once(
    no_room: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        machine = Machine("q", attic=Spill("queue.q"))
        for position, frame in enumerate(FRAMES):
            machine.apply(position, 1_000, True, frame)

    assert spilled_count(machine) == 0
    assert machine.counts().pending == len(FRAMES) * SIZE
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["messages of queue.q stay in memory"]
    assert "TMPDIR" in caplog.text


def test_a_file_is_closed_with_the_last_that_needs_it() -> None:
    spill = Spill("q")
    messages = spill.put([b"x" * 5_000, b"y"])
    assert messages is not None
    number = messages._file._file.fileno()
    del spill

    assert messages[0:2] == [b"x" * 5_000, b"y"]
    assert (messages[1], len(messages)) == (b"y", 2)
    del messages

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_what_cannot_be_read_back_is_said() -> None:
    messages = Spill("q").put([b"x" * 5_000])
    assert messages is not None
    os.ftruncate(messages._file._file.fileno(), 100)

    with pytest.raises(FoldLostError, match="100 of 5000 bytes are there"):
        messages[0]
