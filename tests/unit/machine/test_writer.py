"""Is a frame applied once, and in its writer's order?"""

from __future__ import annotations

from asynq_compat.machine.applied import Verdict
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.unit.machine.log import Log, message

WRITER = b"w" * 16


def frame(sequence: int, *ids: str) -> bytes:
    return encode_frame(WRITER, sequence, [c.enqueue(ids, [message(i) for i in ids])])


def test_a_frame_that_comes_twice_changes_nothing() -> None:
    log = Log()
    log.append(frame(1, "a"))
    log.append(frame(2, "b"))

    for data in (frame(2, "b"), frame(1, "a"), frame(1, "other bytes, but long ago")):
        applied = log.append(data)
        assert (applied.verdict, applied.outcomes) == (Verdict.DUPLICATE, [])

    assert log.ids(TaskState.PENDING) == ["a", "b"]
    assert log.machine.writer_sequence(WRITER) == 2


def test_a_gap_is_refused_and_reported() -> None:
    log = Log()
    log.append(frame(1, "a"))

    applied = log.append(frame(3, "c"))

    assert applied.verdict is Verdict.REFUSED
    assert "a gap in its writer's sequence" in applied.notes[0]
    assert log.append(frame(2, "b")).verdict is Verdict.APPLIED


def test_a_new_writer_begins_at_one() -> None:
    assert Log().append(frame(2, "a")).verdict is Verdict.REFUSED


def test_other_bytes_under_the_same_sequence_are_refused() -> None:
    log = Log()
    log.append(frame(1, "a"))

    applied = log.append(frame(1, "b"))

    assert applied.verdict is Verdict.REFUSED
    assert "other bytes" in applied.notes[0]
    assert log.ids(TaskState.PENDING) == ["a"]


def test_a_writer_is_forgotten_an_hour_after_its_last_frame() -> None:
    log = Log()
    log.append(frame(1, "a"))
    log.pass_s(1_800)
    log.append(frame(2, "b"))

    log.pass_s(3_599.999)
    assert log.machine.writer_sequence(WRITER) == 2
    log.pass_s(0.001)

    assert log.machine.writer_sequence(WRITER) == 0


def test_an_entry_that_came_already_is_ignored() -> None:
    log = Log()
    log.append(frame(1, "a"))
    before = log.machine.digest()

    applied = log.machine.apply(log.position, log.now_ms + 60_000, True, frame(2, "b"))

    assert applied.verdict is Verdict.REFUSED
    assert log.machine.digest() == before
