"""Do a task and its options become the request that Go would send, or Go's first error?"""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from asynq_compat import errors
from asynq_compat.compose import EnqueueItem, compose, compose_many
from asynq_compat.compose.task_ids import new_task_id, new_task_ids
from asynq_compat.options import (
    Deadline,
    Group,
    MaxRetry,
    Option,
    ProcessAt,
    ProcessIn,
    Queue,
    Retention,
    TaskID,
    Timeout,
    Unique,
)
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import Task, TaskInfo
from asynq_compat.wire.message import TaskMessage, decode_message

NOW_S = 1_767_322_800
NOW_NS = NOW_S * 10**9 + 250_000_000
NOW = datetime.fromtimestamp(NOW_NS / 1e9, UTC)


def composed(*options: Option, task: Task | None = None) -> tuple[EnqueueRequest, TaskMessage, TaskInfo]:
    request, info = compose(task or Task("email", b"{}"), options, NOW_NS)
    return request, decode_message(request.message), info


def test_without_options_asynqs_defaults_hold() -> None:
    request, message, info = composed()

    assert message == TaskMessage(
        type="email", payload=b"{}", id=request.task_id, queue="default", retry=25, timeout=1_800
    )
    assert request == EnqueueRequest("default", message.id, request.message)
    assert (info.state, info.next_process_at, info.max_retry, info.timeout) == (
        TaskState.PENDING, NOW, 25, timedelta(minutes=30),
    )  # fmt: skip
    assert (info.deadline, info.retention, info.group, info.last_err, info.result) == (None, timedelta(0), "", "", None)


def test_the_call_overrules_the_task_and_the_last_of_a_kind_holds() -> None:
    task = Task("email", b"", Queue("low"), MaxRetry(1))

    _, message, _ = composed(Queue("mid"), Queue("high"), task=task)

    assert (message.queue, message.retry) == ("high", 1)


@pytest.mark.parametrize(
    ("options", "timeout_s", "deadline_s"),
    [
        ((), 1_800, 0),
        ((Timeout(0),), 1_800, 0),
        ((Timeout(0.5),), 0, 0),
        ((Timeout(1.9),), 1, 0),
        ((Timeout(-1.9),), -1, 0),
        ((Deadline(NOW_S + 0.9),), 0, NOW_S),
        ((Deadline(0),), 1_800, 0),
        ((Deadline(datetime(1, 1, 1, tzinfo=UTC)),), 1_800, 0),
        ((Timeout(5), Deadline(NOW_S)), 5, NOW_S),
    ],
)
def test_timeout_and_deadline(options: tuple[Option, ...], timeout_s: int, deadline_s: int) -> None:
    _, message, _ = composed(*options)

    assert (message.timeout, message.deadline) == (timeout_s, deadline_s)


def test_a_timeout_below_zero_is_taken_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        composed(Timeout(-7.5), Queue("told"))

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith(
        "timeout: -7 s is less than 0, so every attempt at such a task fails before it begins"
    )


@pytest.mark.parametrize(("retention", "stored_s"), [(0.9, 0), (1.9, 1), (-5, -5), (timedelta(days=1), 86_400)])
def test_retention_is_stored_in_whole_seconds(retention: float | timedelta, stored_s: int) -> None:
    _, message, _ = composed(Retention(retention))

    assert message.retention == stored_s


def test_a_later_instant_schedules() -> None:
    at = NOW + timedelta(seconds=10)

    request, message, info = composed(ProcessAt(at))

    assert request.process_at == NOW_S + 10
    assert message.timeout == 1_800
    assert (info.state, info.next_process_at) == (TaskState.SCHEDULED, at)


@pytest.mark.parametrize("option", [ProcessAt(NOW), ProcessIn(0), ProcessIn(-5), ProcessAt(0)])
def test_an_instant_that_has_come_is_pending_at_once(option: Option) -> None:
    request, _, info = composed(option)

    assert request.process_at is None
    assert (info.state, info.next_process_at) == (TaskState.PENDING, NOW)


def test_process_at_and_process_in_are_one_kind() -> None:
    assert composed(ProcessAt(NOW_S + 50), ProcessIn(5))[0].process_at == NOW_S + 5
    assert composed(ProcessIn(5), ProcessAt(NOW_S + 50))[0].process_at == NOW_S + 50


def test_a_group_aggregates() -> None:
    request, message, info = composed(Group("g"))

    assert request.group == message.group_key == info.group == "g"
    assert (info.state, info.next_process_at) == (TaskState.AGGREGATING, None)


def test_a_scheduled_task_keeps_its_group_in_the_message_and_is_scheduled() -> None:
    request, message, info = composed(Group("g"), ProcessIn(60))

    assert (request.process_at, message.group_key, info.state) == (NOW_S + 60, "g", TaskState.SCHEDULED)


@pytest.mark.parametrize(("ttl", "ttl_s"), [(1, 1), (1.5, 1), (3_600, 3_600)])
def test_a_lock_lasts_whole_seconds(ttl: float, ttl_s: int) -> None:
    request, message, _ = composed(Unique(ttl))

    assert request.unique_ttl_s == ttl_s
    assert request.unique_key == message.unique_key == "asynq:{default}:unique:email:99914b932bd37a50b983c5e7c90ae93b"


def test_the_lock_of_a_scheduled_task_lasts_beyond_its_time_less_the_moment_go_loses() -> None:
    assert composed(ProcessIn(10), Unique(5))[0].unique_ttl_s == 14


def test_no_payload_and_an_empty_one_have_different_locks() -> None:
    absent, empty = (composed(Unique(5), task=task)[0].unique_key for task in (Task("t"), Task("t", b"")))

    assert absent == "asynq:{default}:unique:t:"
    assert empty == "asynq:{default}:unique:t:d41d8cd98f00b204e9800998ecf8427e"


def test_headers_travel() -> None:
    task = Task("t", None, headers={"trace": "a1", "": ""})

    _, message, info = composed(task=task)

    assert message.headers == info.headers == {"trace": "a1", "": ""}


def test_a_chosen_id_is_used() -> None:
    request, message, info = composed(TaskID("mine"))

    assert request.task_id == message.id == info.id == "mine"
    assert request.has_chosen_id


def test_new_ids_are_version_4_uuids() -> None:
    ids = [*new_task_ids(500), new_task_id()]

    assert len(set(ids)) == 501
    for text in ids:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


WRONG: list[tuple[object, tuple[object, ...], str]] = [
    (None, (), "task cannot be nil, got None"),
    ("email", (), "task must be a Task, got 'email'"),
    (Task(""), (Queue(""),), "task typename cannot be empty, got ''"),
    (Task("\t\u3000"), (), "task typename cannot be empty"),
    (Task(cast("str", 5)), (), "task typename must be a str, got 5"),
    (Task("t"), (Queue(" "),), "queue name must contain one or more characters, got ' '"),
    (Task("t"), (TaskID("\n"),), "task ID cannot be empty, got '\\n'"),
    (Task("t"), (Group(""),), "group key cannot be empty, got ''"),
    (Task("t"), (Unique(0.999),), "Unique TTL cannot be less than 1s, got 999ms"),
    (Task("t"), (Unique(-1),), "Unique TTL cannot be less than 1s, got -1s"),
    (Task("t"), (Group(""), Queue("")), "group key cannot be empty"),
    (Task("t", b"", Queue("")), (Group(""),), "queue name must contain one or more characters"),
    (Task("t"), ("queue",), "'queue' is no option; use Queue(...)"),
    (Task("t"), ([Queue("x")],), "[Queue(\"x\")] is no option"),
    (Task("t"), ({"queue": "x"},), "{'queue': 'x'} is no option"),
    (Task("t", cast("bytes", "text")), (), "payload must be bytes or None, got str; pass text.encode()"),
    (Task("t", cast("bytes", {"a": 1})), (), "payload must be bytes or None, got dict; pass json.dumps(value).encode()"),
    (Task("t", cast("bytes", bytearray(b"x"))), (), "payload must be bytes or None, got bytearray; pass bytes(value)"),
    (Task("t", cast("bytes", Queue("x"))), (), "payload must be bytes or None, got the option Queue(\"x\"); options come after"),
    (Task("t", None, headers={"a": cast("str", 1)}), (), "headers must map str to str, got 'a': 1"),
    (Task("t", None, headers=cast("dict[str, str]", ["a"])), (), "headers must map str to str, got ['a']"),
    (Task("t\ud800"), (), "must be"),
    (Task("t\ud800"), (Unique(5),), "task typename must be valid Unicode, got 't\\ud800'"),
    (Task("t"), (Queue("q\ud800"),), "queue must be valid Unicode, got 'q\\ud800'"),
    (Task("t"), (TaskID("\ud800"),), "task_id must be valid Unicode"),
    (Task("t"), (Group("\ud800"),), "group must be valid Unicode"),
    (Task("t", None, headers={"a\ud800": ""}), (), "headers"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "options", "text"), WRONG)
def test_what_is_wrong_is_said_alone_and_in_a_batch(task: object, options: tuple[object, ...], text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        compose(cast("Task", task), cast("tuple[Option, ...]", options), NOW_NS)

    requests, results = compose_many([cast("EnqueueItem", (task, *options))], (), NOW_NS)

    assert text in str(caught.value)
    assert requests == []
    assert [str(result) for result in results] == [str(caught.value)]


def test_a_batch_is_what_its_tasks_are_alone_and_what_is_wrong_stops_no_other() -> None:
    items: list[EnqueueItem] = [
        Task("a", b"1"),
        (Task("b", b"2", Queue("low")), MaxRetry(1)),
        cast("EnqueueItem", "no task"),
        (Task("c", None, headers={"h": "1"}), TaskID("mine"), ProcessIn(5)),
        cast("EnqueueItem", ()),
        Task(" "),
    ]

    requests, results = compose_many(items, (Queue("all"),), NOW_NS)

    assert [request.queue for request in requests] == ["all", "all", "all"]
    assert [type(result) for result in results] == [
        TaskInfo, TaskInfo, errors.InvalidArgumentError, TaskInfo, errors.InvalidArgumentError, errors.InvalidArgumentError,
    ]  # fmt: skip
    infos = [result for result in results if isinstance(result, TaskInfo)]
    assert [(info.id, info.type, info.state) for info in infos] == [
        (requests[0].task_id, "a", TaskState.PENDING),
        (requests[1].task_id, "b", TaskState.PENDING),
        ("mine", "c", TaskState.SCHEDULED),
    ]
    assert decode_message(requests[1].message).retry == 1
