"""What does it mean that a task was not done here?

Source: docs/semantics.md, "settle".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness


def a_requeued_task_is_next_in_line(queue: QueueHarness) -> None:
    """Before all that wait."""
    ids = queue.enqueue_many(3)
    worker = queue.worker(capacity=1)

    assert worker.requeue(worker.take_one()) == [SettleOutcome.SETTLED]

    again = worker.take_one().task_id
    assert queue.are([again, *queue.listed(TaskState.PENDING)], ids)


def nothing_is_counted(queue: QueueHarness) -> None:
    """Neither an attempt nor a failure: its message is as it was."""
    task_id = queue.enqueue()
    before = queue.task(task_id).message
    worker = queue.worker(capacity=1)

    worker.requeue(worker.take_one())
    worker.intake.stop()
    worker.intake.close()

    stats = queue.stats()
    assert queue.task(task_id).message == before
    assert (stats.processed, stats.failed, stats.processed_total, stats.failed_total) == (0, 0, 0, 0)
    assert (stats.active, stats.pending) == (0, 1)


def a_task_is_requeued_once(queue: QueueHarness) -> None:
    """A second time changes nothing and says so."""
    queue.enqueue()
    worker = queue.worker(capacity=1)
    lease = worker.take_one()
    worker.intake.stop()

    assert worker.requeue(lease) == [SettleOutcome.SETTLED]
    assert worker.requeue(lease) == [SettleOutcome.NOT_HELD]

    assert queue.stats().pending == 1
