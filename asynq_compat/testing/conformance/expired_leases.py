"""What becomes of a task whose worker is gone?

Source: docs/semantics.md, "leases" and "recoverer".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleKind, Settlement, SettleOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import RECOVERY_S, QueueHarness
from asynq_compat.testing.conformance.scenario import passes


@passes(RECOVERY_S + 10)
def a_lost_task_is_given_to_the_recoverer(queue: QueueHarness) -> None:
    """With its message; until it is settled it counts as active, and an inspector sees that nobody has it."""
    task_id = queue.enqueue("report", payload=b"x")
    worker = queue.worker(capacity=1)
    worker.take_one()

    queue.lose(worker)
    queue.wait_until(lambda: bool(queue.expired()), "the lost task", queue.stats)

    (lost,) = queue.expired()
    assert (lost.queue, lost.task_id, lost.message) == (queue.queue, task_id, queue.task(task_id).message)
    assert queue.state(task_id) is TaskState.ACTIVE
    assert queue.is_listed_as_orphaned(task_id)


@passes(RECOVERY_S + 10)
def a_recovered_task_is_tried_again(queue: QueueHarness) -> None:
    """The attempt counts as a failure: the task may be what killed its worker."""
    task_id = queue.enqueue()
    worker = queue.worker(capacity=1)
    worker.take_one()
    queue.lose(worker)

    queue.recover_as_retry(task_id)

    message = queue.message(task_id)
    assert queue.state(task_id) is TaskState.RETRY
    assert (message.retried, message.error_msg) == (1, "lease expired")
    assert (queue.stats().processed, queue.stats().failed) == (1, 1)
    assert list(queue.expired()) == []


@passes(RECOVERY_S + 10)
def a_lost_task_without_retries_left_is_archived(queue: QueueHarness) -> None:
    """The recoverer decides; the broker carries it out."""
    task_id = queue.enqueue(retry=0)
    worker = queue.worker(capacity=1)
    worker.take_one()
    queue.lose(worker)
    queue.wait_until(lambda: bool(queue.expired()), "the lost task", queue.stats)

    (lost,) = queue.expired()
    settlement = Settlement(lost, SettleKind.ARCHIVE, 0.0, "lease expired")
    assert list(queue.broker.maintaining.settle_expired([settlement])) == [SettleOutcome.SETTLED]
    assert list(queue.broker.maintaining.settle_expired([settlement])) == [SettleOutcome.NOT_HELD]

    assert queue.state(task_id) is TaskState.ARCHIVED
    assert queue.message(task_id).error_msg == "lease expired"
    assert queue.stats().failed == 1


@passes(RECOVERY_S + 10)
def the_tasks_of_the_living_are_left_alone(queue: QueueHarness) -> None:
    """One worker dies, the other goes on."""
    queue.enqueue_many(2)
    lost, living = queue.worker(capacity=1), queue.worker(capacity=1)
    lost_lease, living_lease = lost.take_one(), living.take_one()

    queue.lose(lost)
    queue.recover_as_retry(lost_lease.task_id)

    assert queue.state(living_lease.task_id) is TaskState.ACTIVE
    assert not queue.is_listed_as_orphaned(living_lease.task_id)
    assert living.done(living_lease) == [SettleOutcome.SETTLED]


@passes(RECOVERY_S + 10)
def a_task_that_was_never_started(queue: QueueHarness) -> None:
    """Whether its worker's end counts as an attempt is a trait of the broker."""
    queue.enqueue(task_id="unstarted")
    worker = queue.worker(capacity=1)
    worker.take_unstarted(1)

    survivor = queue.lose(worker)

    if queue.traits.counts_unstarted_as_taken:
        queue.recover_as_retry("unstarted")
        assert queue.message("unstarted").retried == 1
    else:
        assert survivor.take_one().task_id == "unstarted"
        assert queue.message("unstarted").retried == 0


def with_everybody_alive_nothing_is_expired(queue: QueueHarness) -> None:
    """The ordinary answer."""
    queue.enqueue()
    queue.worker().take_one()

    assert list(queue.expired()) == []
    assert list(queue.broker.maintaining.settle_expired([])) == []
