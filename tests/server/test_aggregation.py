"""Does a server make one task of a group's, on every broker, whatever the user's function does?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import pytest

from asynq_compat.client import Client
from asynq_compat.context import Context
from asynq_compat.inspector import Inspector
from asynq_compat.options import Group, ProcessIn, Queue
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import Task, TaskInfo
from tests.server.ground import Ground, wait_until

JOIN = "join"


def join(group: str, tasks: Sequence[Task]) -> Task:
    """One task of all: their payloads, a line each."""
    return Task(JOIN, b"\n".join([group.encode(), *(task.payload or b"" for task in tasks)]))


class Seen:
    """The payloads of joined tasks that a handler has seen."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def handle(self, ctx: Context, task: Task) -> None:
        """Note a joined task."""
        del ctx
        assert task.type == JOIN
        self.payloads.append(task.payload or b"")


def add(ground: Ground, *payloads: bytes, group: str = "g", queue: str = "default") -> None:
    client = Client(ground.broker)
    # In one call: between two of them a machine that is busy with something else may let a grace period pass.
    outcomes = client.enqueue_many([Task("part", payload) for payload in payloads], Group(group), Queue(queue))
    assert all(isinstance(one, TaskInfo) for one in outcomes), outcomes


def test_a_full_group_becomes_one_task(ground: Ground) -> None:
    seen = Seen()
    with ground.serving(seen.handle, group_aggregator=join, group_grace_period=1, group_max_size=3):
        add(ground, b"a", b"b", b"c")
        wait_until(lambda: seen.payloads, "the joined task to run")

    assert [sorted(payload.split(b"\n")) for payload in seen.payloads] == [[b"a", b"b", b"c", b"g"]]
    stats = ground.broker.inspecting.queue_stats("default")
    assert stats is not None
    assert (stats.size, stats.groups, stats.processed_total) == (0, 0, 1)


def test_a_group_becomes_one_task_when_nothing_comes_for_the_grace_period(ground: Ground) -> None:
    seen = Seen()
    with ground.serving(seen.handle, queues={"other": 1, "default": 1}, group_aggregator=join, group_grace_period=1):
        add(ground, b"a", group="h:i", queue="other")
        wait_until(lambda: seen.payloads, "the joined task to run")

    assert seen.payloads == [b"h:i\na"]


def test_a_server_without_an_aggregator_leaves_groups_to_others(ground: Ground) -> None:
    seen = Seen()
    add(ground, b"a")

    with ground.serving(seen.handle), ground.serving(seen.handle, group_aggregator=join, group_grace_period=1):
        wait_until(lambda: seen.payloads, "the joined task to run")

    assert seen.payloads == [b"g\na"]


def refusing(group: str, tasks: Sequence[Task]) -> Task:
    """A function that fails."""
    raise SystemExit(f"no task for {group}, of {len(tasks)}")


def giving_nothing(group: str, tasks: Sequence[Task]) -> Task:
    """A function that gives no task."""
    del group, tasks
    return None  # type: ignore[return-value]


@pytest.mark.parametrize("aggregate", [refusing, giving_nothing], ids=lambda function: function.__name__)
def test_a_function_that_fails_ends_nothing_but_its_own_set(
    ground: Ground, aggregate: Callable[[str, list[Task]], Task], caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()

    def sometimes(group: str, tasks: list[Task]) -> Task:
        return join(group, tasks) if group == "good" else aggregate(group, tasks)

    add(ground, b"a", group="bad")
    with caplog.at_level(logging.ERROR), ground.serving(seen.handle, group_aggregator=sometimes, group_grace_period=1):
        wait_until(lambda: 'group="bad"' in caplog.text, "the failure to be logged")
        add(ground, b"b", group="good")
        wait_until(lambda: seen.payloads, "the joined task to run")

    assert seen.payloads == [b"good\nb"]


def test_what_the_function_asks_for_is_done_but_for_the_queue(ground: Ground) -> None:
    asked = threading.Event()

    def later(group: str, tasks: list[Task]) -> Task:
        asked.set()
        return Task("later", group.encode(), ProcessIn(3600), Queue("elsewhere"))

    add(ground, b"a")
    with (
        ground.serving(Seen().handle, group_aggregator=later, group_grace_period=1),
        Inspector(ground.broker) as inspector,
    ):
        wait_until(asked.is_set, "the function to be called")
        wait_until(lambda: inspector.list_scheduled_tasks("default"), "the task to be scheduled")

    (info,) = inspector.list_scheduled_tasks("default")
    assert (info.type, info.payload, info.queue, info.state) == ("later", b"g", "default", TaskState.SCHEDULED)


def test_a_shutdown_waits_for_a_function_that_runs(ground: Ground) -> None:
    entered, may_end = threading.Event(), threading.Event()

    def slow(group: str, tasks: list[Task]) -> Task:
        entered.set()
        assert may_end.wait(30)
        return join(group, tasks)

    add(ground, b"a")
    with ground.serving(Seen().handle, group_aggregator=slow, group_grace_period=1, shutdown_timeout=30) as server:
        wait_until(entered.is_set, "the function to be called")
        ending = threading.Thread(target=server.shutdown)
        ending.start()
        may_end.set()
        ending.join(30)
        assert not ending.is_alive()

    stats = ground.broker.inspecting.queue_stats("default")
    assert stats is not None
    assert (stats.size + stats.processed_total, stats.aggregating) == (1, 0)
    assert not [thread.name for thread in threading.enumerate() if "aggregat" in thread.name]


def test_groups_are_listed_with_their_tasks(ground: Ground) -> None:
    add(ground, b"a", b"b", b"c", group="g")
    add(ground, b"d", group="h")

    with Inspector(ground.broker) as inspector:
        assert [(one.group, one.size) for one in inspector.groups("default")] == [("g", 3), ("h", 1)]
        assert inspector.groups("nobody's") == []
        tasks = inspector.list_aggregating_tasks("default", "g")
        assert sorted(task.payload or b"" for task in tasks) == [b"a", b"b", b"c"]
        assert {(task.state, task.group, task.next_process_at) for task in tasks} == {
            (TaskState.AGGREGATING, "g", None)
        }
        assert inspector.list_aggregating_tasks("default", "g", page_size=2, page=2) == tasks[2:]
        assert inspector.list_aggregating_tasks("default", "g", page_size=2, page=0) == tasks[1:]
        assert inspector.list_aggregating_tasks("default", "nobody's") == []
        inspector.run_task("default", tasks[0].id)
        assert inspector.get_task_info("default", tasks[0].id).state is TaskState.PENDING
