"""Are tasks and what is known about them the values that Asynq's are?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from asynq_compat.options import Queue
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import ResultWriter, Task, TaskInfo, new_task_with_headers, stored_task_info, task_for_handler
from asynq_compat.wire.message import TaskMessage, encode_message

GO_FIELDS = (
    "id queue type payload headers state max_retry retried last_err last_failed_at timeout deadline group next_process_at "
    "is_orphaned retention completed_at result"
)


def info_of(message: TaskMessage, *, next_process_at_s: int | None = None, result: bytes | None = None) -> TaskInfo:
    return stored_task_info(
        encode_message(message), TaskState.RETRY, next_process_at_s=next_process_at_s, result=result, is_orphaned=False
    )


def test_a_task_is_what_it_was_made_of() -> None:
    task = Task("email", b"x", Queue("low"), headers={"a": "b"})

    assert (task.type, task.payload, task.options, task.headers) == ("email", b"x", (Queue("low"),), {"a": "b"})
    assert task.result_writer is None
    assert repr(task) == "Task('email', 1 bytes)"
    assert (Task("t").payload, Task("t").headers, Task("t", b"").payload) == (None, None, b"")


def test_headers_are_copied() -> None:
    given = {"a": "b"}
    task = new_task_with_headers("t", None, given, Queue("low"))

    given["a"] = "changed"

    assert task.headers == {"a": "b"}
    assert task.options == (Queue("low"),)


def test_a_handler_sees_none_for_an_empty_payload_and_no_headers() -> None:
    writer = ResultWriter("id", len)

    task = task_for_handler(TaskMessage(type="t", payload=b"", headers={}), writer)

    assert (task.type, task.payload, task.headers, task.options) == ("t", None, None, ())
    assert task.result_writer is writer
    assert (writer.task_id, writer.write(b"four")) == ("id", 4)


def test_all_of_gos_fields_are_told() -> None:
    info = info_of(
        TaskMessage(
            type="t", payload=b"p", id="i", queue="q", retry=5, retried=2, error_msg="boom", timeout=30, deadline=100,
            last_failed_at=50, retention=60, completed_at=70, group_key="g", headers={"h": "v"},
        ),
        next_process_at_s=90,
        result=b"r",
    )  # fmt: skip

    told = {name: getattr(info, name) for name in GO_FIELDS.split()}

    at = datetime(1970, 1, 1, tzinfo=UTC)
    assert told == {
        "id": "i", "queue": "q", "type": "t", "payload": b"p", "headers": {"h": "v"}, "state": TaskState.RETRY, "max_retry": 5,
        "retried": 2, "last_err": "boom", "last_failed_at": at + timedelta(seconds=50), "timeout": timedelta(seconds=30),
        "deadline": at + timedelta(seconds=100), "group": "g", "next_process_at": at + timedelta(seconds=90),
        "is_orphaned": False, "retention": timedelta(seconds=60), "completed_at": at + timedelta(seconds=70), "result": b"r",
    }  # fmt: skip


def test_what_is_not_there_is_none() -> None:
    info = info_of(TaskMessage(type="t", id="i", queue="q"), result=b"")

    assert (
        info.payload,
        info.headers,
        info.last_failed_at,
        info.deadline,
        info.completed_at,
        info.next_process_at,
    ) == (None,) * 6
    assert info.result is None


@pytest.mark.parametrize("wild", [2**62, -(2**62)])
def test_an_instant_beyond_the_calendar_does_not_fail(wild: int) -> None:
    info = info_of(TaskMessage(type="t", id="i", queue="q", deadline=wild, timeout=wild))

    assert info.deadline is not None
    assert info.deadline.year in {1, 9999}
    assert abs(info.timeout) > timedelta(days=999_999)


def test_equal_infos_are_equal_and_show_themselves() -> None:
    one, two = (info_of(TaskMessage(type="t", id="i", queue="q")) for _ in range(2))

    assert one == two
    assert one != info_of(TaskMessage(type="t", id="other", queue="q"))
    assert repr(one) == "TaskInfo(id='i', queue='q', type='t', state=retry)"
