"""What does it mean to put all tasks of a state into the archive?

Source: docs/semantics.md, "inspector writes on many".
"""

from __future__ import annotations

from asynq_compat.ports.inspecting import Missing
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness

ARCHIVE_COUNT_MAX = 9_999


def all_that_wait_go_to_the_archive(queue: QueueHarness) -> None:
    """And nothing of another state."""
    pending = queue.enqueue_many(3)
    scheduled = queue.enqueue(in_s=600)
    administering = queue.broker.administering

    assert administering.archive_all(queue.queue, TaskState.PENDING) == 3

    assert {queue.state(task_id) for task_id in pending} == {TaskState.ARCHIVED}
    assert queue.state(scheduled) is TaskState.SCHEDULED
    assert administering.archive_all(queue.queue, TaskState.SCHEDULED) == 1
    failed = queue.fail()
    assert administering.archive_all(queue.queue, TaskState.RETRY) == 1
    assert queue.state(failed) is TaskState.ARCHIVED
    assert queue.stats().archived == 5
    assert queue.worker().is_given_nothing()


def an_active_task_goes_on(queue: QueueHarness) -> None:
    """Its worker has it."""
    worker = queue.worker(capacity=1)
    queue.enqueue()
    lease = worker.take_one()
    waiting = queue.enqueue()

    count = queue.broker.administering.archive_all(queue.queue, TaskState.PENDING)

    assert queue.state(lease.task_id) is TaskState.ACTIVE
    if queue.traits.is_one_order:  # Of another partition the worker may be given a task before it says that it is busy.
        assert count == 1
        assert queue.state(waiting) is TaskState.ARCHIVED


def a_group_is_put_away(queue: QueueHarness) -> None:
    """It is gone with its last task."""
    ids = [queue.enqueue(group="g") for _ in range(2)]

    assert queue.broker.administering.archive_all(queue.queue, TaskState.AGGREGATING, group="g") == 2

    assert {queue.state(task_id) for task_id in ids} == {TaskState.ARCHIVED}
    assert queue.groups() == []


def they_keep_their_locks(queue: QueueHarness) -> None:
    """They may be run again."""
    queue.enqueue("pay", unique_ttl_s=600)

    queue.broker.administering.archive_all(queue.queue, TaskState.PENDING)

    assert queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.DUPLICATE


def the_archive_holds_no_more_than_it_may(queue: QueueHarness) -> None:
    """Of those archived in one second the last by id stay (G1). Where Go's rules hold the others leave a trace (G2)."""
    ids = queue.enqueue_many(ARCHIVE_COUNT_MAX + 2)
    first = min(ids)

    assert queue.broker.administering.archive_all(queue.queue, TaskState.PENDING) == len(ids)

    if queue.traits.is_one_order:
        assert queue.stats().archived == ARCHIVE_COUNT_MAX
        assert queue.state(first) is (
            TaskState.ARCHIVED if queue.traits.leaves_traces_of_trimmed_tasks else Missing.TASK
        )
        taken = queue.try_enqueue(task_id=first)
        assert (taken is EnqueueStatus.ID_CONFLICT) == queue.traits.leaves_traces_of_trimmed_tasks


def an_unknown_queue_is_told(queue: QueueHarness) -> None:
    """It is not the same as an empty one."""
    assert queue.broker.administering.archive_all(queue.queue, TaskState.PENDING) is None
