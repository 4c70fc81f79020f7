"""What does it mean to run all tasks of a state now?

Source: docs/semantics.md, "inspector writes on many".
"""

from __future__ import annotations

from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness


def all_that_wait_become_pending(queue: QueueHarness) -> None:
    """And nothing of another state."""
    scheduled = [queue.enqueue(in_s=600 + number) for number in range(3)]
    failed, buried, finished = queue.fail(), queue.bury(), queue.finish()
    administering = queue.broker.administering

    assert administering.run_all(queue.queue, TaskState.SCHEDULED) == 3

    assert {queue.state(task_id) for task_id in scheduled} == {TaskState.PENDING}
    assert (queue.state(failed), queue.state(buried)) == (TaskState.RETRY, TaskState.ARCHIVED)
    assert administering.run_all(queue.queue, TaskState.RETRY) == 1
    assert administering.run_all(queue.queue, TaskState.ARCHIVED) == 1
    assert (queue.state(failed), queue.state(buried)) == (TaskState.PENDING, TaskState.PENDING)
    assert queue.state(finished) is TaskState.COMPLETED
    assert administering.run_all(queue.queue, TaskState.SCHEDULED) == 0


def they_run_behind_the_others_in_the_order_of_their_time(queue: QueueHarness) -> None:
    """Who waited first runs first."""
    waiting = queue.enqueue()
    later, sooner = queue.enqueue(in_s=900), queue.enqueue(in_s=600)

    queue.broker.administering.run_all(queue.queue, TaskState.SCHEDULED)

    assert queue.are([lease.task_id for lease in queue.worker().take(3)], [waiting, sooner, later])


def a_group_is_dissolved(queue: QueueHarness) -> None:
    """Each of its tasks runs for itself; another group waits on."""
    first, second = (queue.enqueue(group="g", payload=payload) for payload in (b"1", b"2"))
    other = queue.enqueue(group="h")

    assert queue.broker.administering.run_all(queue.queue, TaskState.AGGREGATING, group="g") == 2

    assert {queue.state(first), queue.state(second)} == {TaskState.PENDING}
    assert queue.groups() == [("h", 1)]
    assert queue.state(other) is TaskState.AGGREGATING
    assert queue.broker.administering.run_all(queue.queue, TaskState.AGGREGATING, group="nobody's") == 0


def neither_messages_nor_counters_change(queue: QueueHarness) -> None:
    """A failure stays told."""
    task_id = queue.fail()
    before, counted = queue.task(task_id).message, queue.stats()

    queue.broker.administering.run_all(queue.queue, TaskState.RETRY)

    stats = queue.stats()
    assert queue.task(task_id).message == before
    assert (stats.processed_total, stats.failed_total) == (counted.processed_total, counted.failed_total)


def how_far_it_is_is_told(queue: QueueHarness) -> None:
    """Once a slice; the last time all of them."""
    for number in range(5):
        queue.enqueue(in_s=600 + number)
    told: list[int] = []

    count = queue.broker.administering.run_all(queue.queue, TaskState.SCHEDULED, progress=told.append)

    assert count == 5
    assert told == sorted(told)
    assert told[-1] == 5


def an_unknown_queue_is_told(queue: QueueHarness) -> None:
    """It is not the same as an empty one."""
    assert queue.broker.administering.run_all(queue.queue, TaskState.SCHEDULED) is None
