"""What does it mean to delete all tasks of a state?

Source: docs/semantics.md, "inspector writes on many".
"""

from __future__ import annotations

from asynq_compat.ports.inspecting import Missing
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness


def all_of_the_state_are_gone(queue: QueueHarness) -> None:
    """One state after the other, and each time no other."""
    ids = {
        TaskState.COMPLETED: queue.finish(),
        TaskState.RETRY: queue.fail(),
        TaskState.ARCHIVED: queue.bury(),
        TaskState.PENDING: queue.enqueue(),
        TaskState.SCHEDULED: queue.enqueue(in_s=600),
    }

    for state, task_id in ids.items():
        others = {other: queue.state(other) for kind, other in ids.items() if kind is not state}
        assert queue.broker.administering.delete_all(queue.queue, state) == 1, state
        assert queue.state(task_id) is Missing.TASK
        assert {other: queue.state(other) for other in others} == others

    assert queue.stats().size == 0


def an_active_task_stays(queue: QueueHarness) -> None:
    """And ends as ever."""
    worker = queue.worker(capacity=1)
    queue.enqueue()
    lease = worker.take_one()
    waiting = queue.enqueue()

    count = queue.broker.administering.delete_all(queue.queue, TaskState.PENDING)

    if queue.traits.is_one_order:  # Of another partition the worker may be given a task before it says that it is busy.
        assert count == 1
        assert queue.state(waiting) is Missing.TASK
    worker.done(lease)
    assert queue.state(lease.task_id) is Missing.TASK
    assert queue.stats().processed_total == 1


def a_group_is_gone(queue: QueueHarness) -> None:
    """The others stay."""
    ids = [queue.enqueue(group="g") for _ in range(2)]
    other = queue.enqueue(group="h")

    assert queue.broker.administering.delete_all(queue.queue, TaskState.AGGREGATING, group="g") == 2

    assert {queue.state(task_id) for task_id in ids} == {Missing.TASK}
    assert queue.groups() == [("h", 1)]
    assert queue.state(other) is TaskState.AGGREGATING


def their_ids_are_free_again(queue: QueueHarness) -> None:
    """Ids are not remembered."""
    queue.enqueue(task_id="again")

    queue.broker.administering.delete_all(queue.queue, TaskState.PENDING)

    assert queue.try_enqueue(task_id="again") is EnqueueStatus.ENQUEUED


def the_locks_of_what_waits_for_a_time_are_free(queue: QueueHarness) -> None:
    """As where one task is deleted."""
    queue.enqueue("pay", unique_ttl_s=600, in_s=60)

    queue.broker.administering.delete_all(queue.queue, TaskState.SCHEDULED)

    assert queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.ENQUEUED


def the_locks_of_pending_tasks_are_free_where_go_s_rules_do_not_hold(queue: QueueHarness) -> None:
    """Go lets them end by themselves."""
    queue.enqueue("pay", unique_ttl_s=600)

    queue.broker.administering.delete_all(queue.queue, TaskState.PENDING)

    is_free = queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.ENQUEUED
    assert is_free != queue.traits.keeps_locks_of_deleted_pending_tasks


def an_unknown_queue_is_told(queue: QueueHarness) -> None:
    """It is not the same as an empty one."""
    assert queue.broker.administering.delete_all(queue.queue, TaskState.PENDING) is None
