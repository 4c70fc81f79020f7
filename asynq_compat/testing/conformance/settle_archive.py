"""What does it mean that a task failed for good?

Source: docs/semantics.md, "settle" and "numbers".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.inspecting import Missing
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes

DAY_S = 86_400
# Asynq's maxArchiveSize is 10 000; its rank range removes one more (G1).
ARCHIVE_SIZE = 9_999


def an_archived_task_is_kept_for_a_human(queue: QueueHarness) -> None:
    """With the text and the instant of its last failure; its retries as they were."""
    task_id = queue.enqueue("report", payload=b"x")
    worker = queue.worker()

    assert worker.archive(worker.take_one(), error_msg="never") is SettleOutcome.SETTLED

    message = queue.message(task_id)
    assert queue.state(task_id) is TaskState.ARCHIVED
    assert (message.error_msg, message.last_failed_at, message.retried) == ("never", queue.clock.now_s(), 0)
    assert (message.type, message.payload) == ("report", b"x")
    assert queue.task(task_id).next_process_at is None


def it_counts_as_processed_and_failed(queue: QueueHarness) -> None:
    """The last attempt counts like the others."""
    queue.bury()

    stats = queue.stats()
    assert (stats.archived, stats.active) == (1, 0)
    assert (stats.processed, stats.failed, stats.processed_total, stats.failed_total) == (1, 1, 1, 1)


def a_task_is_archived_once(queue: QueueHarness) -> None:
    """A second time changes nothing and says so."""
    queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    assert worker.archive(lease) is SettleOutcome.SETTLED
    assert worker.archive(lease) is SettleOutcome.NOT_HELD

    assert queue.stats().failed == 1


@passes(91 * DAY_S)
def after_ninety_days_it_gives_way(queue: QueueHarness) -> None:
    """To the next task that is archived in its queue: then it is gone, and its id is free."""
    old = queue.bury()
    queue.pass_s(91 * DAY_S)
    assert queue.state(old) is TaskState.ARCHIVED

    new = [queue.bury()]
    while not queue.traits.is_one_order and queue.state(old) is not Missing.TASK and len(new) < 100:
        new.append(queue.bury())  # Until one meets it in its partition.

    assert sorted(queue.listed(TaskState.ARCHIVED)) == sorted(new)
    assert queue.state(old) is Missing.TASK


@passes(1)
def the_archive_holds_so_many_and_then_lets_the_oldest_go(queue: QueueHarness) -> None:
    """An error that hits every task must not fill the broker."""
    oldest = queue.bury()
    queue.pass_s(1)
    worker = queue.worker(capacity=500)
    for _ in range(20):
        queue.enqueue_many(500)
        leases = worker.take(500)
        outcomes = worker.settle(*(Settlement(lease, SettleKind.ARCHIVE, 0.0, "boom") for lease in leases))
        assert outcomes == [SettleOutcome.SETTLED] * 500

    if queue.traits.is_one_order:
        assert queue.stats().archived == ARCHIVE_SIZE
        assert queue.state(oldest) is Missing.TASK
    else:
        assert queue.stats().archived == 10_001
