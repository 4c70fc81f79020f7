"""How does a worker keep a task that takes longer than a lease?

Source: docs/semantics.md, "leases".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import LEASE_S, RECOVERY_S, QueueHarness
from asynq_compat.testing.conformance.scenario import passes


@passes(3 * RECOVERY_S)
def a_worker_that_renews_keeps_its_task(queue: QueueHarness) -> None:
    """Minutes, if need be; nobody is told to recover it, and it is settled like any other."""
    task_id = queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    queue.pass_s(3 * RECOVERY_S)

    assert lease.term.is_valid()
    assert list(queue.expired()) == []
    assert queue.state(task_id) is TaskState.ACTIVE
    assert worker.done(lease) == [SettleOutcome.SETTLED]


@passes(LEASE_S + 10)
def a_worker_that_renews_nothing_knows_that_its_lease_is_over(queue: QueueHarness) -> None:
    """Without asking anybody: it may be cut off."""
    queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()
    assert lease.term.is_valid()

    queue.crash(worker)
    queue.pass_s(LEASE_S + 10)

    assert not lease.term.is_valid()


def renewing_nothing_is_legal(queue: QueueHarness) -> None:
    """A heartbeat of an idle worker."""
    queue.worker().intake.extend([])


def renewing_what_is_settled_brings_nothing_back(queue: QueueHarness) -> None:
    """Heartbeat and settler are two threads: one may be late."""
    queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()
    worker.done(lease)

    worker.intake.extend([lease])

    assert queue.listed(TaskState.ACTIVE) == []
    assert queue.stats().active == 0
