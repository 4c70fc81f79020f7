"""What does a uniqueness lock keep out, and until when?

Source: docs/semantics.md, "enqueue" and "who releases a uniqueness lock".
"""

from __future__ import annotations

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.consuming import SettleOutcome
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def a_second_task_of_the_same_kind_is_a_duplicate(queue: QueueHarness) -> None:
    """Same queue, type and payload; another payload is another task."""
    assert queue.try_enqueue("pay", payload=b"1", unique_ttl_s=60) is EnqueueStatus.ENQUEUED
    assert queue.try_enqueue("pay", payload=b"1", unique_ttl_s=60) is EnqueueStatus.DUPLICATE
    assert queue.try_enqueue("pay", payload=b"2", unique_ttl_s=60) is EnqueueStatus.ENQUEUED
    assert queue.stats().pending == 2


def a_duplicate_within_one_batch_is_told(queue: QueueHarness) -> None:
    """The requests of a batch count one after another."""
    outcomes = queue.broker.producing.enqueue([queue.request("pay", unique_ttl_s=60) for _ in range(3)])

    assert list(outcomes) == [EnqueueStatus.ENQUEUED, EnqueueStatus.DUPLICATE, EnqueueStatus.DUPLICATE]


def a_task_without_lock_is_not_kept_out(queue: QueueHarness) -> None:
    """The lock binds only those who ask for it."""
    queue.enqueue("pay", unique_ttl_s=60)

    assert queue.try_enqueue("pay") is EnqueueStatus.ENQUEUED


def a_scheduled_task_holds_the_lock_too(queue: QueueHarness) -> None:
    """Waiting for its time or for a worker is the same to the lock."""
    queue.enqueue("pay", unique_ttl_s=600, in_s=60)

    assert queue.try_enqueue("pay", unique_ttl_s=60) is EnqueueStatus.DUPLICATE
    assert queue.try_enqueue("pay", unique_ttl_s=60, in_s=60) is EnqueueStatus.DUPLICATE


def success_frees_the_lock(queue: QueueHarness) -> None:
    """Done and completed alike."""
    worker = queue.worker()
    queue.enqueue("pay", unique_ttl_s=600)
    assert worker.done(worker.take_one()) == [SettleOutcome.SETTLED]

    queue.enqueue("pay", unique_ttl_s=600, retention=60)
    assert worker.complete(worker.take_one()) == [SettleOutcome.SETTLED]

    assert queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.ENQUEUED


def neither_failure_nor_return_frees_the_lock(queue: QueueHarness) -> None:
    """The task still is, or may come back."""
    worker = queue.worker()
    queue.enqueue("retried", unique_ttl_s=600)
    worker.retry(worker.take_one())
    queue.enqueue("archived", unique_ttl_s=600)
    worker.archive(worker.take_one())
    queue.enqueue("returned", unique_ttl_s=600)
    worker.requeue(worker.take_one())

    for type_name in ("retried", "archived", "returned"):
        assert queue.try_enqueue(type_name, unique_ttl_s=600) is EnqueueStatus.DUPLICATE, type_name


def deletion_frees_the_lock(queue: QueueHarness) -> None:
    """Who deletes a task wants its like to be possible again."""
    task_id = queue.enqueue("pay", unique_ttl_s=600)

    assert queue.broker.administering.delete_task(queue.queue, task_id) is AdminOutcome.OK

    assert queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.ENQUEUED


@passes(3)
def the_lock_ends_with_its_ttl(queue: QueueHarness) -> None:
    """Whatever became of the task: it is a bound, not a promise to wait."""
    ttl_s = _ttl_s(queue)
    queue.enqueue("pay", unique_ttl_s=ttl_s)
    assert queue.try_enqueue("pay", unique_ttl_s=ttl_s) is EnqueueStatus.DUPLICATE

    queue.pass_s(ttl_s + 1)

    assert queue.try_enqueue("pay", unique_ttl_s=ttl_s) is EnqueueStatus.ENQUEUED


@passes(3)
def a_lock_that_went_to_another_is_not_freed(queue: QueueHarness) -> None:
    """The first task finishes late: the lock is the second one's by then."""
    worker = queue.worker()
    ttl_s = _ttl_s(queue)
    queue.enqueue("pay", unique_ttl_s=ttl_s)
    first = worker.take_one()
    queue.pass_s(ttl_s + 1)
    queue.enqueue("pay", unique_ttl_s=600)

    assert worker.done(first) == [SettleOutcome.SETTLED]

    assert queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.DUPLICATE


def a_duplicate_is_told_before_an_id_conflict(queue: QueueHarness) -> None:
    """When both are true, Go names the lock."""
    queue.enqueue("pay", task_id="one", unique_ttl_s=600)

    assert queue.try_enqueue("pay", task_id="one", unique_ttl_s=600) is EnqueueStatus.DUPLICATE


def an_id_conflict_with_a_free_lock(queue: QueueHarness) -> None:
    """Whether the refused task leaves its lock behind is a trait of the broker."""
    queue.enqueue("other", task_id="one")
    if (
        not queue.traits.is_one_order
    ):  # A task with a lock stands where the lock points, so its id is taken there alone.
        assert queue.try_enqueue("pay", task_id="one") is EnqueueStatus.ID_CONFLICT
        return
    assert queue.try_enqueue("pay", task_id="one", unique_ttl_s=600) is EnqueueStatus.ID_CONFLICT

    again = queue.try_enqueue("pay", task_id="two", unique_ttl_s=600)

    left_behind = queue.traits.keeps_lock_on_id_conflict
    assert again is (EnqueueStatus.DUPLICATE if left_behind else EnqueueStatus.ENQUEUED)


def _ttl_s(queue: QueueHarness) -> int:
    """Return how long a lock holds that shall end: where time can be moved, so long that none ends early on a busy machine."""
    return 60 if queue.traits.has_virtual_time else 2
