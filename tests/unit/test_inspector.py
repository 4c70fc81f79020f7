"""Does an inspector show and change what stands in the queues, with Go's texts and our errors?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

import asynq_compat as asynq
from asynq_compat import errors
from asynq_compat.connect import open_broker
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, Lease, QueueOrder

TASK = asynq.Task("email", b"{}")
WAIT_S = 30.0


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = open_broker(f"memory://{uuid.uuid4()}")
    yield broker
    broker.close()


@pytest.fixture
def client(broker: Broker) -> asynq.Client:
    return asynq.Client(broker)


@pytest.fixture
def inspector(broker: Broker) -> asynq.Inspector:
    return asynq.Inspector(broker)


@pytest.fixture
def intake(broker: Broker) -> Iterator[Intake]:
    intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "server")
    yield intake
    intake.stop()
    intake.close()


def ids_of(infos: list[asynq.TaskInfo]) -> list[str]:
    return [info.id for info in infos]


def taken(intake: Intake) -> Lease:
    leases = intake.take(WAIT_S)
    assert len(leases) == 1, "nothing was given out"
    return leases[0]


def test_a_queues_counts_are_told(client: asynq.Client, inspector: asynq.Inspector) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    client.enqueue(TASK)
    client.enqueue(TASK)
    client.enqueue(TASK, process_in=60)

    info = inspector.get_queue_info("default")

    assert (info.queue, info.size, info.pending, info.scheduled, info.active, info.paused) == (
        "default",
        3,
        2,
        1,
        0,
        False,
    )
    assert (info.processed, info.failed, info.processed_total, info.failed_total) == (0, 0, 0, 0)
    assert timedelta(0) <= info.latency < timedelta(minutes=1)
    assert info.memory_usage > 0
    assert before < info.timestamp < datetime.now(UTC) + timedelta(seconds=1)
    assert inspector.queues() == ["default"]


def test_tasks_are_listed_page_by_page(client: asynq.Client, inspector: asynq.Inspector) -> None:
    ids = [client.enqueue(TASK).id for _ in range(35)]

    assert ids_of(inspector.list_pending_tasks("default")) == ids[:30]
    assert ids_of(inspector.list_pending_tasks("default", asynq.Page(2))) == ids[30:]
    assert ids_of(inspector.list_pending_tasks("default", asynq.PageSize(10), asynq.Page(2))) == ids[10:20]
    assert ids_of(inspector.list_pending_tasks("default", page_size=10, page=2)) == ids[10:20]
    assert inspector.list_pending_tasks("default", page=9) == []


def test_page_size_0_is_everything_and_page_0_the_last_page(client: asynq.Client, inspector: asynq.Inspector) -> None:
    ids = [client.enqueue(TASK).id for _ in range(35)]

    assert ids_of(inspector.list_pending_tasks("default", page_size=0)) == ids
    assert ids_of(inspector.list_pending_tasks("default", page_size=-5)) == ids
    assert ids_of(inspector.list_pending_tasks("default", page=0)) == ids[5:]
    assert ids_of(inspector.list_pending_tasks("default", page=0, page_size=50)) == ids
    assert ids_of(inspector.list_pending_tasks("default", page=-1, page_size=3)) == ids[:3]


@pytest.mark.parametrize("option", ["2", 2, asynq.Page(cast("int", "2")), asynq.PageSize(cast("int", 1.5))])
def test_what_is_no_list_option_is_refused(
    client: asynq.Client, inspector: asynq.Inspector, option: asynq.Page
) -> None:
    client.enqueue(TASK)

    with pytest.raises(errors.InvalidArgumentError, match=r"is no list option; use PageSize|must be an integer, got "):
        inspector.list_pending_tasks("default", option)


def test_each_state_has_its_list(client: asynq.Client, inspector: asynq.Inspector, intake: Intake) -> None:
    scheduled = client.enqueue(TASK, process_in=60)
    archived = client.enqueue(TASK, process_in=60)
    inspector.archive_task("default", archived.id)
    active = client.enqueue(TASK)
    taken(intake)
    pending = client.enqueue(TASK)

    assert ids_of(inspector.list_scheduled_tasks("default")) == [scheduled.id]
    assert ids_of(inspector.list_archived_tasks("default")) == [archived.id]
    assert ids_of(inspector.list_active_tasks("default")) == [active.id]
    assert ids_of(inspector.list_pending_tasks("default")) == [pending.id]
    assert inspector.list_retry_tasks("default") == inspector.list_completed_tasks("default") == []
    assert scheduled.next_process_at is not None
    told_at = inspector.list_scheduled_tasks("default")[0].next_process_at
    assert told_at == scheduled.next_process_at.replace(microsecond=0)


def test_a_task_is_run_now_archived_and_deleted(client: asynq.Client, inspector: asynq.Inspector) -> None:
    info = client.enqueue(TASK, process_in=60)

    inspector.run_task("default", info.id)
    assert inspector.get_task_info("default", info.id).state is asynq.TaskState.PENDING
    inspector.archive_task("default", info.id)
    assert inspector.get_task_info("default", info.id).state is asynq.TaskState.ARCHIVED
    inspector.delete_task("default", info.id)
    with pytest.raises(asynq.ErrTaskNotFound):
        inspector.get_task_info("default", info.id)


def test_what_a_state_forbids_is_refused_in_gos_words(
    client: asynq.Client, inspector: asynq.Inspector, intake: Intake
) -> None:
    active = client.enqueue(TASK).id
    taken(intake)
    pending = client.enqueue(TASK).id
    archived = client.enqueue(TASK, process_in=60).id
    inspector.archive_task("default", archived)
    use = "use CancelProcessing instead."

    for call, task_id, text in (
        (inspector.run_task, active, "task is already running"),
        (inspector.run_task, pending, "task is already in pending state"),
        (inspector.archive_task, archived, f"task is already archived: id={archived}, queue=default"),
        (inspector.archive_task, active, f"cannot archive task in active state. {use}"),
        (inspector.delete_task, active, f"cannot delete task in active state. {use}"),
    ):
        with pytest.raises(errors.TaskStateError) as caught:
            call("default", task_id)
        assert str(caught.value) == f"asynq: FAILED_PRECONDITION: {text}"


OF_ONE_TASK = ("get_task_info", "run_task", "archive_task", "delete_task")
LISTS = tuple(f"list_{state}_tasks" for state in ("pending", "active", "scheduled", "retry", "archived", "completed"))


def method(inspector: asynq.Inspector, name: str) -> Callable[..., object]:
    found: Callable[..., object] = getattr(inspector, name)
    return found


@pytest.mark.parametrize("name", OF_ONE_TASK)
def test_what_is_not_there_is_told_in_gos_words(client: asynq.Client, inspector: asynq.Inspector, name: str) -> None:
    client.enqueue(TASK)

    with pytest.raises(asynq.ErrQueueNotFound, match=r"^asynq: queue not found$"):
        method(inspector, name)("nowhere", "id")
    with pytest.raises(asynq.ErrTaskNotFound, match=r"^asynq: task not found$"):
        method(inspector, name)("default", "id")


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_a_missing_or_blank_queue_are_refused(inspector: asynq.Inspector, name: str) -> None:
    with pytest.raises(asynq.ErrQueueNotFound, match=r"^asynq: queue not found$"):
        method(inspector, name)("nowhere")
    with pytest.raises(errors.InvalidArgumentError, match=r"^asynq: queue name must contain one or more characters$"):
        method(inspector, name)(" ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("get_queue_info", "queue name must contain one or more characters"),
        ("pause_queue", "queue name must contain one or more characters"),
        ("unpause_queue", "queue name must contain one or more characters"),
        ("run_task", "asynq: queue name must contain one or more characters"),
        ("delete_task", "asynq: queue name must contain one or more characters"),
        ("archive_task", "asynq: err"),
    ],
)
def test_a_blank_queue_is_refused_in_gos_words(inspector: asynq.Inspector, name: str, text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        method(inspector, name)(*([""] if name.endswith(("info", "queue")) else ["", "id"]))

    assert str(caught.value) == text


def test_a_missing_queues_counts_are_refused_in_gos_words(inspector: asynq.Inspector) -> None:
    with pytest.raises(asynq.QueueNotFoundError, match=r'^NOT_FOUND: queue "no\\twhere" does not exist$'):
        inspector.get_queue_info("no\twhere")


def test_a_queue_is_paused_once(client: asynq.Client, inspector: asynq.Inspector) -> None:
    client.enqueue(TASK)

    inspector.pause_queue("default")
    assert inspector.get_queue_info("default").paused
    with pytest.raises(errors.QueueStateError, match=r'^queue "default" is already paused$'):
        inspector.pause_queue("default")
    inspector.unpause_queue("default")
    with pytest.raises(errors.QueueStateError, match=r'^queue "default" is not paused$'):
        inspector.unpause_queue("default")


def test_a_cancellation_is_heard_by_who_listens(broker: Broker, inspector: asynq.Inspector) -> None:
    feed = broker.signalling.subscribe_cancelations()

    inspector.cancel_processing("some-id")

    assert list(feed.next(WAIT_S)) == ["some-id"]
    feed.close()


def test_an_inspector_leaves_a_broker_that_was_passed_in_open(broker: Broker) -> None:
    with asynq.Inspector(broker):
        pass

    broker.ping()
