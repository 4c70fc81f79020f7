"""What does it mean to run a waiting task now?

Source: docs/semantics.md, "inspector writes on one task".
"""

from __future__ import annotations

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness


def whatever_waits_becomes_pending(queue: QueueHarness) -> None:
    """Scheduled, retried, archived, even completed."""
    ids = [queue.finish(), queue.fail(), queue.bury(), queue.enqueue(in_s=600)]

    for task_id in ids:
        assert queue.broker.administering.run_task(queue.queue, task_id) is AdminOutcome.OK
        assert queue.state(task_id) is TaskState.PENDING, task_id

    stats = queue.stats()
    assert (stats.completed, stats.retry, stats.archived, stats.scheduled, stats.pending) == (0, 0, 0, 0, 4)


def it_runs_after_what_was_pending_before(queue: QueueHarness) -> None:
    """It joins at the end of the line, whatever its age."""
    later = queue.enqueue(in_s=600)
    pending = queue.enqueue()

    queue.broker.administering.run_task(queue.queue, later)

    assert queue.are([lease.task_id for lease in queue.worker().take(2)], [pending, later])


def its_message_is_unchanged(queue: QueueHarness) -> None:
    """The retries it has used stay used."""
    task_id = queue.fail()
    before = queue.task(task_id).message

    queue.broker.administering.run_task(queue.queue, task_id)

    assert queue.task(task_id).message == before


def what_is_active_or_pending_stays(queue: QueueHarness) -> None:
    """And the answer says which."""
    active = queue.enqueue()
    worker = queue.worker(capacity=1)
    worker.take_one()
    pending = queue.enqueue()
    administering = queue.broker.administering

    assert administering.run_task(queue.queue, active) is AdminOutcome.TASK_IS_ACTIVE
    assert administering.run_task(queue.queue, pending) is AdminOutcome.TASK_IS_PENDING

    assert (queue.stats().active, queue.stats().pending) == (1, 1)


def what_is_missing_is_told(queue: QueueHarness) -> None:
    """The queue or the task."""
    queue.enqueue()
    administering = queue.broker.administering

    assert administering.run_task(queue.queue, "nobody") is AdminOutcome.TASK_NOT_FOUND
    assert administering.run_task(f"{queue.queue}-none", "nobody") is AdminOutcome.QUEUE_NOT_FOUND
