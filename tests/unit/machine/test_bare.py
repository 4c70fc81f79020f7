"""What does a foreign producer's record mean?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from asynq_compat.machine.applied import Verdict
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.unit.machine.log import Log

BASE = TaskMessage(type="t", id="i", queue="q", timeout=60)


def record(
    message: TaskMessage = BASE,
    *,
    task_id: str = "i",
    task_type: str = "t",
    queue: str = "q",
    timeout: int = 60,
    deadline: int = 0,
) -> bytes:
    return encode_message(replace(message, id=task_id, type=task_type, queue=queue, timeout=timeout, deadline=deadline))


def test_a_message_is_a_pending_task() -> None:
    log = Log()

    applied = log.append(record(replace(BASE, payload=b"p", headers={"h": "1"})))

    assert (applied.verdict, applied.outcomes) == (Verdict.BARE, [0])
    view = log.machine.task("i")
    assert view is not None
    assert view.message == record(replace(BASE, payload=b"p", headers={"h": "1"}))


def test_it_goes_to_a_session_at_once() -> None:
    log = Log()
    log.open(credit=1)

    assert log.append(record()).assignments[0].ids == ["i"]


@pytest.mark.parametrize(
    "head", [b"\x00\x00\x00\x00\x07\x00", b"\x00\x00\x00\x00\x07\x02\x00", b"\x00abcd\x04\x02\x08"]
)
def test_a_schema_registrys_head_is_stripped(head: bytes) -> None:
    log = Log()

    log.append(head + record())

    view = log.machine.task("i")
    assert view is not None
    assert view.message == record()


def test_a_blank_id_is_derived_from_its_place() -> None:
    log = Log()
    log.say(c.genesis(b"j" * 16, 0, 1))
    log.append(record(task_id=""))
    log.append(record(task_id=" "))

    ids = log.ids(TaskState.PENDING)

    assert len(set(ids)) == 2
    assert all(len(task_id) == 36 and task_id[14] == "4" for task_id in ids)
    assert log.stored(ids[0]).id == ids[0]
    assert log.replayed().digest() == log.machine.digest()


def test_the_queue_and_the_default_timeout_are_filled_in() -> None:
    log = Log()
    log.append(record(queue="other", timeout=0))
    log.append(record(task_id="deadline", queue="", timeout=0, deadline=99))

    assert (log.stored("i").queue, log.stored("i").timeout) == ("q", 1_800)
    assert (log.stored("deadline").queue, log.stored("deadline").timeout) == ("q", 0)


def test_a_taken_id_is_reported() -> None:
    log = Log()
    log.append(record())

    applied = log.append(record(task_type="other"))

    assert applied.outcomes == [[c.ID_TAKEN]]
    assert "the id 'i' is taken" in applied.notes[0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x00\x01\xff",
        b"\xff\xff",
        b"{}",
        record(task_type=" "),
        b"\x0a\x01\xff",
        b"\x90",
        b"\x94\x01",
        b"\x9f\xff",
    ],
)
def test_what_cannot_be_read_is_skipped_and_reported(data: bytes) -> None:
    log = Log()

    applied = log.append(data)

    assert (applied.verdict, applied.outcomes) == (Verdict.UNREADABLE, [])
    assert "entry 0 was skipped" in applied.notes[0]
    assert log.machine.counts().pending == 0
