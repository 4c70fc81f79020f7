"""Does an inspector change whole states and queues, tell how far it is, and refuse in Go's words?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

import asynq_compat as asynq
from asynq_compat import errors
from asynq_compat.brokers.journal import administering
from asynq_compat.connect import open_broker
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import QueueOrder
from asynq_compat.wire import server_info as wire

TASK = asynq.Task("email", b"{}")
OF_SETS = (
    *(f"run_all_{state}_tasks" for state in ("scheduled", "retry", "archived")),
    *(f"archive_all_{state}_tasks" for state in ("scheduled", "retry")),
    *(f"delete_all_{state}_tasks" for state in ("scheduled", "retry", "archived", "completed")),
)
OF_LISTS = ("archive_all_pending_tasks", "delete_all_pending_tasks")
OF_GROUPS = ("run_all_aggregating_tasks", "archive_all_aggregating_tasks", "delete_all_aggregating_tasks")


@pytest.fixture(params=["memory", "partitions"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    count = "?partitions=3" if request.param == "partitions" else ""
    broker = open_broker(f"memory://{uuid.uuid4()}{count}")
    yield broker
    broker.close()


@pytest.fixture
def client(broker: Broker) -> asynq.Client:
    return asynq.Client(broker)


@pytest.fixture
def inspector(broker: Broker) -> asynq.Inspector:
    return asynq.Inspector(broker)


def bulk(inspector: asynq.Inspector, name: str) -> Callable[..., int]:
    return cast("Callable[..., int]", getattr(inspector, name))


def args_of(name: str, queue: str) -> tuple[str, ...]:
    return (queue, "g") if name in OF_GROUPS else (queue,)


@pytest.mark.parametrize("slice_size", [1, 2, 7, 100])
def test_all_of_them_are_changed_whatever_a_slice_holds(
    client: asynq.Client, inspector: asynq.Inspector, monkeypatch: pytest.MonkeyPatch, slice_size: int
) -> None:
    monkeypatch.setattr(administering, "SLICE_COUNT_MAX", slice_size)
    for number in range(7):
        client.enqueue(TASK, process_in=600 + number)
        client.enqueue(TASK, group="g")
    told: list[int] = []

    assert inspector.run_all_scheduled_tasks("default", progress=told.append) == 7
    assert inspector.run_all_aggregating_tasks("default", "g") == 7
    assert inspector.archive_all_pending_tasks("default") == 14
    assert inspector.delete_all_archived_tasks("default") == 14

    assert told == sorted(told)
    assert told[-1] == 7
    assert len(told) >= 7 // slice_size
    assert inspector.get_queue_info("default").size == 0


@pytest.mark.parametrize("name", [*OF_SETS, *OF_LISTS, *OF_GROUPS])
def test_a_missing_queue_is_told_in_go_s_words(inspector: asynq.Inspector, name: str) -> None:
    code = "NOT_FOUND" if name in OF_SETS else "INTERNAL_ERROR"

    with pytest.raises(asynq.QueueNotFoundError) as caught:
        bulk(inspector, name)(*args_of(name, "nowhere"))

    assert str(caught.value) == f'{code}: INTERNAL_ERROR: queue "nowhere" does not exist'


@pytest.mark.parametrize("name", [*OF_SETS, *OF_LISTS, *OF_GROUPS])
def test_a_blank_queue_is_refused_in_go_s_words(inspector: asynq.Inspector, name: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"^queue name must contain one or more characters$"):
        bulk(inspector, name)(*args_of(name, " "))


def test_a_group_without_a_name_holds_nothing(client: asynq.Client, inspector: asynq.Inspector) -> None:
    client.enqueue(TASK, group="g")

    assert inspector.delete_all_aggregating_tasks("default", "") == 0
    assert inspector.get_queue_info("default").aggregating == 1


def test_a_queue_is_deleted_when_it_is_empty_or_may_be_emptied(
    client: asynq.Client, inspector: asynq.Inspector
) -> None:
    client.enqueue(TASK)

    with pytest.raises(asynq.ErrQueueNotEmpty, match=r'^queue is not empty: queue="default"$'):
        inspector.delete_queue("default")
    inspector.delete_queue("default", force=True)

    assert inspector.queues() == []
    with pytest.raises(asynq.ErrQueueNotFound, match=r'^queue not found: queue="default"$'):
        inspector.delete_queue("default", force=True)


def test_force_stands_where_go_has_it(client: asynq.Client, inspector: asynq.Inspector) -> None:
    client.enqueue(asynq.Task("t"))

    # Two names by mistake: the second would be true.
    with pytest.raises(asynq.InvalidArgumentError, match="force must be True or False, got 'low'"):
        inspector.delete_queue("default", cast("bool", "low"))
    assert inspector.queues() == ["default"]

    inspector.delete_queue("default", True)
    assert inspector.queues() == []


def test_a_queue_with_an_active_task_is_not_deleted(
    broker: Broker, client: asynq.Client, inspector: asynq.Inspector
) -> None:
    client.enqueue(TASK)
    intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "server")
    assert len(intake.take(30)) == 1

    with pytest.raises(errors.QueueStateError, match=r"^FAILED_PRECONDITION: cannot remove queue with active tasks$"):
        inspector.delete_queue("default", force=True)

    assert inspector.get_queue_info("default").active == 1
    intake.stop()
    intake.close()


def test_a_client_that_enqueued_before_a_queue_was_deleted_makes_it_again(
    client: asynq.Client, inspector: asynq.Inspector
) -> None:
    client.enqueue(TASK)
    inspector.delete_queue("default", force=True)

    client.enqueue(TASK)

    assert inspector.queues() == ["default"]
    assert inspector.get_queue_info("default").size == 1


def test_only_a_scheduled_task_is_given_another_payload(client: asynq.Client, inspector: asynq.Inspector) -> None:
    scheduled, pending = client.enqueue(TASK, process_in=600), client.enqueue(TASK)

    inspector.update_task_payload("default", scheduled.id, b"new")

    assert inspector.get_task_info("default", scheduled.id).payload == b"new"
    with pytest.raises(errors.TaskStateError) as caught:
        inspector.update_task_payload("default", pending.id, b"new")
    assert str(caught.value) == "asynq: FAILED_PRECONDITION: cannot update task that is not in scheduled state."
    with pytest.raises(asynq.ErrTaskNotFound, match=r"^asynq: task not found$"):
        inspector.update_task_payload("default", "nobody", b"new")
    with pytest.raises(asynq.ErrQueueNotFound, match=r"^asynq: queue not found$"):
        inspector.update_task_payload("nowhere", scheduled.id, b"new")
    with pytest.raises(errors.InvalidArgumentError, match=r"^payload must be bytes, got 'text'; encode it first"):
        inspector.update_task_payload("default", scheduled.id, cast("bytes", "text"))


def test_a_history_has_as_many_days_as_are_asked_for(client: asynq.Client, inspector: asynq.Inspector) -> None:
    client.enqueue(TASK)
    before = datetime.now(UTC) - timedelta(seconds=1)

    today, yesterday = inspector.history("default", 2)

    assert (today.queue, today.processed, today.failed) == ("default", 0, 0)
    assert before < today.date < datetime.now(UTC) + timedelta(seconds=1)
    assert today.date - yesterday.date == timedelta(days=1)
    assert len(inspector.history("default", 36_500)) == 36_500


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, "FAILED_PRECONDITION: the number of days must be positive"),
        (-1, "FAILED_PRECONDITION: the number of days must be positive"),
        (36_501, "days must be at most 36500, got 36501; counters live for 90 days"),
        ("7", "days must be an integer, got '7'; for example 7"),
        (True, "days must be an integer, got True; for example 7"),
    ],
)
def test_days_that_are_none_are_refused(client: asynq.Client, inspector: asynq.Inspector, days: Any, text: str) -> None:
    client.enqueue(TASK)

    with pytest.raises(errors.InvalidArgumentError) as caught:
        inspector.history("default", days)

    assert str(caught.value) == text
    assert f"got {days!r}" in errors.with_remedy(caught.value) or "at most" in text


def test_a_missing_queue_has_no_history(inspector: asynq.Inspector) -> None:
    with pytest.raises(asynq.QueueNotFoundError, match=r'^NOT_FOUND: queue "nowhere" does not exist$'):
        inspector.history("nowhere", 1)


def test_a_server_is_told_with_what_it_works_on(broker: Broker, inspector: asynq.Inspector) -> None:
    started_ns = 1_700_000_000_123_456_000
    info = wire.ServerInfo(
        host="h", pid=7, server_id="s", concurrency=3, queues={"low": 1}, status="active", start_time_ns=started_ns
    )
    worker = wire.WorkerInfo(
        host="h", pid=7, server_id="s", task_id="t", task_type="email", task_payload=b"p", queue="low"
    )
    broker.registering.write_server_state(info, [worker], 60)

    (server,) = inspector.servers()

    assert server == asynq.ServerInfo(
        id="s",
        host="h",
        pid=7,
        concurrency=3,
        queues={"low": 1},
        strict_priority=False,
        started=datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(microseconds=123_456),
        status="active",
        active_workers=(
            asynq.WorkerInfo(
                task_id="t", task_type="email", task_payload=b"p", queue="low", started=None, deadline=None
            ),
        ),
    )


def test_a_journal_is_no_cluster(client: asynq.Client, inspector: asynq.Inspector) -> None:
    client.enqueue(TASK)

    for ask in (inspector.cluster_key_slot, inspector.cluster_nodes):
        with pytest.raises(errors.UnsupportedByBroker, match="RedisClusterClientOpt"):
            ask("default")


def test_pages_of_a_long_list_are_those_of_the_whole_list(
    broker: Broker, client: asynq.Client, inspector: asynq.Inspector
) -> None:
    ids = [info.id for info in client.enqueue_many([TASK] * 50) if isinstance(info, asynq.TaskInfo)]
    for number in range(50):
        client.enqueue(TASK, process_in=600 - number)
    for list_tasks in (inspector.list_pending_tasks, inspector.list_scheduled_tasks):
        everything = [info.id for info in list_tasks("default", page_size=0)]
        paged = [info.id for page in range(1, 9) for info in list_tasks("default", page=page, page_size=7)]
        assert paged == everything
        assert len(everything) == 50
    assert set(ids) == {info.id for info in inspector.list_pending_tasks("default", page_size=0)}
