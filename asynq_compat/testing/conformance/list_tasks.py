"""What does an inspector see of the tasks of a queue?

Source: docs/semantics.md, "inspector reads". The order of each state is proven beside the transition that leads into it.
"""

from __future__ import annotations

from asynq_compat.errors import UnsupportedByBroker
from asynq_compat.ports.inspecting import Missing
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness

LISTED = (
    TaskState.PENDING,
    TaskState.ACTIVE,
    TaskState.SCHEDULED,
    TaskState.RETRY,
    TaskState.ARCHIVED,
    TaskState.COMPLETED,
)


def each_task_is_listed_in_its_state_alone(queue: QueueHarness) -> None:
    """As `task` shows it, one by one."""
    ids = {
        TaskState.COMPLETED: queue.finish(),
        TaskState.RETRY: queue.fail(),
        TaskState.ARCHIVED: queue.bury(),
        TaskState.SCHEDULED: queue.enqueue(in_s=600),
        TaskState.ACTIVE: queue.enqueue(),
    }
    queue.worker(capacity=1).take_one()
    ids[TaskState.PENDING] = queue.enqueue()

    for state in LISTED:
        tasks = queue.broker.inspecting.list_tasks(queue.queue, state, start=0, count=None)
        assert tasks is not None
        assert list(tasks) == [queue.task(ids[state])], state
        assert tasks[0].state is state


def pages_follow_each_other(queue: QueueHarness) -> None:
    """Skip and count; behind the end there is nothing."""
    pending = queue.enqueue_many(7)
    requests = [queue.request(in_s=60 + number) for number in range(5)]
    queue.broker.producing.enqueue(requests)
    scheduled = [request.task_id for request in requests]

    for state, ids in ((TaskState.PENDING, pending), (TaskState.SCHEDULED, scheduled)):
        every = queue.listed(state)
        assert queue.are(every, ids)
        assert queue.listed(state, count=3) == every[:3]
        assert queue.listed(state, start=3, count=3) == every[3:6]
        assert queue.listed(state, start=4) == every[4:]
        assert queue.listed(state, start=len(ids), count=3) == []


def active_tasks_are_listed_oldest_first(queue: QueueHarness) -> None:
    """In the order in which they were given out."""
    ids = queue.enqueue_many(4)
    worker = queue.worker()
    leases = worker.take(4)

    worker.done(leases[1])

    assert queue.are(queue.listed(TaskState.ACTIVE), [one for one in ids if one != leases[1].task_id])


def an_unknown_queue_is_told(queue: QueueHarness) -> None:
    """It is not the same as an empty one."""
    inspecting = queue.broker.inspecting
    queue.enqueue()

    assert inspecting.list_tasks(f"{queue.queue}-none", TaskState.PENDING, start=0, count=None) is None
    assert list(inspecting.list_tasks(queue.queue, TaskState.ARCHIVED, start=0, count=None) or ()) == []
    assert inspecting.task(f"{queue.queue}-none", "x") is Missing.QUEUE
    assert inspecting.task(queue.queue, "nobody") is Missing.TASK


def grouped_tasks_are_refused_by_name(queue: QueueHarness) -> None:
    """They belong to a group, not to the queue's line."""
    queue.enqueue()

    try:
        queue.broker.inspecting.list_tasks(queue.queue, TaskState.AGGREGATING, start=0, count=None)
    except UnsupportedByBroker:
        return
    raise AssertionError("listing aggregating tasks without a group must raise UnsupportedByBroker")


def a_pending_task_is_due_now(queue: QueueHarness) -> None:
    """As Go says it."""
    task_id = queue.enqueue()

    assert queue.task(task_id).next_process_at == queue.clock.now_s()
