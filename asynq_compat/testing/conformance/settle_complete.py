"""What does it mean that a task ended well and is kept?

Source: docs/semantics.md, "settle".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def a_completed_task_stays_to_be_looked_at(queue: QueueHarness) -> None:
    """With its message, and with the instant at which it ended."""
    task_id = queue.enqueue("report", payload=b"x", retention=600)
    worker = queue.worker()

    assert worker.complete(worker.take_one()) == [SettleOutcome.SETTLED]

    message = queue.message(task_id)
    assert queue.state(task_id) is TaskState.COMPLETED
    assert (message.type, message.payload, message.retention) == ("report", b"x", 600)
    assert message.completed_at == queue.clock.now_s()
    assert queue.task(task_id).next_process_at is None


def its_result_stays_with_it(queue: QueueHarness) -> None:
    """That is what it is kept for."""
    task_id = queue.enqueue(retention=600)
    worker = queue.worker()
    lease = worker.take_one()

    worker.intake.write_result(lease, b"42")
    worker.complete(lease)

    assert queue.task(task_id).result == b"42"


def it_counts_as_processed(queue: QueueHarness) -> None:
    """Like one that is not kept."""
    queue.finish()

    stats = queue.stats()
    assert (stats.completed, stats.active) == (1, 0)
    assert (stats.processed, stats.processed_total, stats.failed, stats.failed_total) == (1, 1, 0, 0)


def a_task_is_completed_once(queue: QueueHarness) -> None:
    """A second time changes nothing and says so."""
    queue.enqueue(retention=600)
    worker = queue.worker()
    lease = worker.take_one()

    assert worker.complete(lease) == [SettleOutcome.SETTLED]
    assert worker.complete(lease) == [SettleOutcome.NOT_HELD]

    assert queue.stats().processed == 1


@passes(2)
def completed_tasks_are_listed_by_the_end_of_their_retention(queue: QueueHarness) -> None:
    """Not by the end of their work."""
    worker = queue.worker()
    ids = [queue.enqueue(retention=retention_s) for retention_s in (3000, 1000, 2000)]
    leases = worker.take(3)

    worker.complete(leases[0])
    queue.pass_s(2)
    worker.complete(*leases[1:])

    assert queue.listed(TaskState.COMPLETED) == [ids[1], ids[2], ids[0]]
