"""Do both ends of a journal, a program that enqueues and a server beside it, agree on every option and every order of an operator?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.services.waiting import wait_until

PENDING, SCHEDULED, COMPLETED = asynq.TaskState.PENDING, asynq.TaskState.SCHEDULED, asynq.TaskState.COMPLETED
RETRY, ARCHIVED, ACTIVE = asynq.TaskState.RETRY, asynq.TaskState.ARCHIVED, asynq.TaskState.ACTIVE
KEPT = timedelta(hours=1)
PATIENCE_S = 60.0
# Tasks of each queue. Their handler takes its time, since a server that is quick is given many ahead, in whatever order they reach it.
EACH, TAKES_S = 20, 0.03


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/queue.db"
    cluster = request.getfixturevalue("kafka_cluster")
    return f"redpanda://{cluster.bootstrap}/{request.getfixturevalue('kafka_namespace')}"


@pytest.fixture
def client(url: str) -> Iterator[asynq.Client]:
    with asynq.Client(url) as opened:
        yield opened


@pytest.fixture
def inspector(url: str) -> Iterator[asynq.Inspector]:
    with asynq.Inspector(url) as opened:
        yield opened


class Work:
    """A handler that notes what it sees, by task id, and does what the task's type says."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, object]] = {}
        self.order: list[str] = []
        self.release = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, ctx: asynq.Context, task: asynq.Task) -> None:
        task_id = asynq.get_task_id(ctx)
        assert task_id is not None
        with self._lock:
            self.order.append(task_id)
            self.seen[task_id] = {
                "payload": task.payload,
                "headers": task.headers and dict(task.headers),
                "queue": asynq.get_queue_name(ctx),
                "retried": asynq.get_retry_count(ctx),
                "max_retry": asynq.get_max_retry(ctx),
                "deadline": ctx.deadline,
                "at": datetime.now(UTC),
            }
        match task.type:
            case "result":
                assert task.result_writer is not None
                task.result_writer.write(b"done: " + (task.payload or b""))
            case "fail":
                raise RuntimeError("as told")
            case "slow":
                ctx.wait(TAKES_S)
            case "hold":
                while not (ctx.cancelled() or self.release.is_set()):
                    ctx.wait(0.05)
                if ctx.cancelled():
                    raise RuntimeError("what Asynq says comes first")


@contextmanager
def serving(url: str, work: Work, **fields: object) -> Iterator[None]:
    config = asynq.Config(
        **{  # type: ignore[arg-type] # fields are checked by Config
            "concurrency": 4,
            "shutdown_timeout": 5,
            "retry_delay_func": lambda retried, error, task: 3600,
            **fields,
        }
    )
    server = asynq.Server(url, config)
    server.start(work)
    try:
        yield
    finally:
        work.release.set()
        server.shutdown()


def state_of(inspector: asynq.Inspector, task_id: str, queue: str = "default") -> Callable[[], asynq.TaskState]:
    return lambda: inspector.get_task_info(queue, task_id).state


def wait_for(inspector: asynq.Inspector, task_id: str, state: asynq.TaskState, queue: str = "default") -> None:
    ask = state_of(inspector, task_id, queue)
    wait_until(lambda: ask() is state, f"{task_id} is {state.name}", PATIENCE_S)


def test_the_inspector_and_the_handler_see_what_the_options_say(
    url: str, client: asynq.Client, inspector: asynq.Inspector
) -> None:
    deadline = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    task = asynq.Task("result", b"\x00p", headers={"trace": "a1"})
    client.enqueue(task, max_retry=7, timeout=90, deadline=deadline, retention=KEPT, task_id="mine")
    stored = inspector.get_task_info("default", "mine")
    assert (stored.id, stored.max_retry, stored.retried, stored.state) == ("mine", 7, 0, PENDING)
    assert (stored.timeout, stored.deadline, stored.retention) == (timedelta(seconds=90), deadline, KEPT)
    assert (stored.payload, stored.headers, stored.result) == (b"\x00p", {"trace": "a1"}, None)

    work = Work()
    with serving(url, work):
        wait_for(inspector, "mine", COMPLETED)

    seen = dict(work.seen["mine"])
    began, ends = seen.pop("at"), seen.pop("deadline")
    assert seen == {
        "payload": b"\x00p", "headers": {"trace": "a1"}, "queue": "default", "retried": 0, "max_retry": 7,
    }  # fmt: skip
    assert isinstance(began, datetime)
    assert isinstance(ends, datetime)
    assert timedelta(seconds=80) < ends - began <= timedelta(seconds=90), "the timeout comes before the deadline"
    done = inspector.get_task_info("default", "mine")
    assert (done.result, done.retention) == (b"done: \x00p", KEPT)
    assert done.completed_at is not None
    with pytest.raises(asynq.TaskIDConflictError):
        client.enqueue(task, task_id="mine")


def test_what_is_planned_and_what_fails_is_tried_when_it_should_be(
    url: str, client: asynq.Client, inspector: asynq.Inspector
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    planned = [client.enqueue(asynq.Task("t"), process_at=soon), client.enqueue(asynq.Task("t"), process_in=60)]
    due = [client.enqueue(asynq.Task("t"), process_in=1, retention=KEPT)]
    failing = client.enqueue(asynq.Task("fail"), max_retry=3)
    last = client.enqueue(asynq.Task("fail"), max_retry=0)

    with serving(url, Work()):
        for one in due:
            wait_for(inspector, one.id, COMPLETED)
        wait_for(inspector, failing.id, RETRY)
        wait_for(inspector, last.id, ARCHIVED)

    for one in planned:
        stored = inspector.get_task_info("default", one.id)
        assert stored.state is SCHEDULED
        assert stored.next_process_at is not None
        assert abs(stored.next_process_at - soon) < timedelta(seconds=10)
    again, gone = (inspector.get_task_info("default", one.id) for one in (failing, last))
    assert (again.retried, again.last_err, again.max_retry) == (1, "as told", 3)
    assert again.next_process_at is not None
    assert again.next_process_at > datetime.now(UTC) + timedelta(minutes=50)
    assert (gone.retried, gone.last_err) == (0, "as told")


def test_a_unique_task_keeps_others_out_until_it_is_done(
    url: str, client: asynq.Client, inspector: asynq.Inspector
) -> None:
    task = asynq.Task("hold", b"same")
    first = client.enqueue(task, unique=600, retention=KEPT)
    work = Work()

    with serving(url, work):
        wait_for(inspector, first.id, ACTIVE)
        with pytest.raises(asynq.DuplicateTaskError):
            client.enqueue(task, unique=600)
        elsewhere = client.enqueue(task, unique=600, queue="other")
        work.release.set()
        wait_for(inspector, first.id, COMPLETED)
        second = client.enqueue(task, unique=600, retention=KEPT)
        wait_for(inspector, second.id, COMPLETED)

    assert inspector.get_task_info("other", elsewhere.id).state is PENDING


@pytest.mark.parametrize("is_strict", [True, False])
def test_queues_are_served_in_their_order(
    url: str, client: asynq.Client, inspector: asynq.Inspector, *, is_strict: bool
) -> None:
    ids = {
        queue: [client.enqueue(asynq.Task("slow"), queue=queue, retention=KEPT).id for _ in range(EACH)]
        for queue in ("low", "high")
    }
    work = Work()

    with serving(url, work, concurrency=1, queues={"high": 6, "low": 1}, strict_priority=is_strict):
        wait_until(lambda: len(work.order) == 2 * EACH, "all ran", PATIENCE_S)

    assert sorted(work.order) == sorted(ids["low"] + ids["high"])
    is_low = [one in set(ids["low"]) for one in work.order[: EACH // 2]]
    assert any(is_low) is not is_strict, "only a strict order lets a queue starve"


def test_an_operators_orders_reach_the_server(url: str, client: asynq.Client, inspector: asynq.Inspector) -> None:
    run, archived, deleted = (client.enqueue(asynq.Task("t"), process_in=3600, retention=KEPT) for _ in range(3))
    inspector.pause_queue("default")
    with pytest.raises(asynq.QueueStateError):
        inspector.pause_queue("default")
    inspector.run_task("default", run.id)
    inspector.archive_task("default", archived.id)
    inspector.delete_task("default", deleted.id)
    other = client.enqueue(asynq.Task("t"), queue="other", retention=KEPT)
    work = Work()

    with serving(url, work, queues={"default": 1, "other": 1}):
        wait_for(inspector, other.id, COMPLETED, "other")
        assert inspector.get_queue_info("default").paused
        assert state_of(inspector, run.id)() is PENDING, "a paused queue gives out nothing"
        inspector.unpause_queue("default")
        wait_for(inspector, run.id, COMPLETED)
        assert state_of(inspector, archived.id)() is ARCHIVED
        with pytest.raises(asynq.TaskNotFoundError):
            inspector.get_task_info("default", deleted.id)
        with pytest.raises(asynq.TaskStateError):
            inspector.archive_task("default", archived.id)
        inspector.run_task("default", archived.id)
        wait_for(inspector, archived.id, COMPLETED)
        held = client.enqueue(asynq.Task("hold"), max_retry=1)
        wait_until(lambda: held.id in work.seen, "the handler has started", PATIENCE_S)
        for order in (inspector.run_task, inspector.archive_task, inspector.delete_task):
            with pytest.raises(asynq.TaskStateError):
                order("default", held.id)
        inspector.cancel_processing(held.id)
        wait_for(inspector, held.id, RETRY)

    assert inspector.get_task_info("default", held.id).last_err == "context canceled"
    assert set(work.order) == {run.id, archived.id, other.id, held.id}
