"""What does it mean that a task ended well and is not kept?

Source: docs/semantics.md, "settle".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.inspecting import Missing
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import RECOVERY_S, QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def a_done_task_is_gone(queue: QueueHarness) -> None:
    """Nothing of it is left but the count."""
    task_id = queue.enqueue()
    worker = queue.worker()

    assert worker.done(worker.take_one()) == [SettleOutcome.SETTLED]

    assert queue.state(task_id) is Missing.TASK
    assert queue.stats().active == 0


def it_counts_as_processed(queue: QueueHarness) -> None:
    """Today and ever, and not as failed."""
    queue.enqueue_many(3)
    worker = queue.worker()

    worker.done(*worker.take(3))

    stats = queue.stats()
    assert (stats.processed, stats.processed_total) == (3, 3)
    assert (stats.failed, stats.failed_total) == (0, 0)


def a_task_is_settled_once(queue: QueueHarness) -> None:
    """A second time changes nothing and says so."""
    queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    assert worker.done(lease) == [SettleOutcome.SETTLED]
    assert list(worker.intake.settle([], 0)) == []
    assert worker.done(lease) == [SettleOutcome.NOT_HELD]

    assert queue.stats().processed == 1


def settling_in_any_order_settles_each(queue: QueueHarness) -> None:
    """One outcome each, in the order of the call."""
    ids = queue.enqueue_many(6)
    worker = queue.worker()
    first, second, third, fourth, fifth, sixth = worker.take(6)

    assert worker.settle(fifth, Settlement(second, SettleKind.DONE)) == [SettleOutcome.SETTLED] * 2
    assert worker.done(sixth, second, first) == [SettleOutcome.SETTLED, SettleOutcome.NOT_HELD, SettleOutcome.SETTLED]

    assert queue.are(queue.listed(TaskState.ACTIVE), [third.task_id, fourth.task_id])
    assert queue.are([one.task_id for one in (first, second, third, fourth, fifth, sixth)], ids)


@passes(RECOVERY_S + 30)
def a_worker_that_overslept_settles_nothing(queue: QueueHarness) -> None:
    """Its task waits to be tried again: finishing it now is too late."""
    task_id = queue.enqueue()
    overslept = queue.worker()
    lease = overslept.take_one()
    queue.lose(overslept)
    queue.recover_as_retry(task_id)

    assert overslept.done(lease) == [SettleOutcome.NOT_HELD]

    assert queue.state(task_id) is TaskState.RETRY


@passes(RECOVERY_S + 90)
def a_worker_that_overslept_and_a_task_that_was_given_to_another(queue: QueueHarness) -> None:
    """The sleeper knows by itself that its lease is over: it must not finish another's work."""
    task_id = queue.enqueue()
    overslept = queue.worker()
    lease = overslept.take_one()
    survivor = queue.lose(overslept)
    queue.recover_as_retry(task_id, delay_s=0)
    queue.pass_s(1)
    queue.do_duties()
    assert survivor.take_one().task_id == task_id

    assert overslept.done(lease) == [SettleOutcome.NOT_HELD]

    assert queue.state(task_id) is TaskState.ACTIVE
