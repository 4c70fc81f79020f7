"""What does it mean that a task is given another payload?

Source: docs/semantics.md, "inspector writes on one task".
"""

from __future__ import annotations

from dataclasses import replace

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.testing.conformance.harness import QueueHarness


def a_scheduled_task_has_the_new_payload(queue: QueueHarness) -> None:
    """And nothing else about it is another."""
    task_id = queue.enqueue(payload=b"old", in_s=600, retry=3, headers={"trace": "a1"})
    before, due_at = queue.message(task_id), queue.task(task_id).next_process_at

    assert queue.broker.administering.update_payload(queue.queue, task_id, b"new\x00") is AdminOutcome.OK

    assert queue.message(task_id) == replace(before, payload=b"new\x00")
    assert queue.task(task_id).next_process_at == due_at


def its_worker_gets_the_new_payload(queue: QueueHarness) -> None:
    """That is what it is for."""
    task_id = queue.enqueue(payload=b"old", in_s=600)
    queue.broker.administering.update_payload(queue.queue, task_id, b"")
    queue.broker.administering.run_task(queue.queue, task_id)

    lease = queue.worker(capacity=1).take_one()

    assert lease.task_id == task_id
    assert not queue.message(task_id).payload


def what_is_not_scheduled_stays_as_it_is(queue: QueueHarness) -> None:
    """Pending, retried, archived, completed, active."""
    ids = [queue.finish(), queue.fail(), queue.bury()]
    active = queue.enqueue()
    queue.worker(capacity=1).take_one()
    pending = queue.enqueue(payload=b"old")

    for task_id in (*ids, active, pending):
        outcome = queue.broker.administering.update_payload(queue.queue, task_id, b"new")
        assert outcome is AdminOutcome.TASK_IS_NOT_SCHEDULED, task_id

    assert queue.message(pending).payload == b"old"


def the_lock_stays_that_of_the_old_payload(queue: QueueHarness) -> None:
    """Where a task stands follows from its lock, which is not changed (G22)."""
    task_id = queue.enqueue("pay", payload=b"old", unique_ttl_s=600, in_s=600)

    queue.broker.administering.update_payload(queue.queue, task_id, b"new")

    assert queue.try_enqueue("pay", payload=b"old", unique_ttl_s=600) is EnqueueStatus.DUPLICATE
    assert queue.try_enqueue("pay", payload=b"new", unique_ttl_s=600) is EnqueueStatus.ENQUEUED
    queue.broker.administering.delete_task(queue.queue, task_id)
    assert queue.try_enqueue("pay", payload=b"old", unique_ttl_s=600) is EnqueueStatus.ENQUEUED


def what_is_missing_is_told(queue: QueueHarness) -> None:
    """The queue or the task."""
    queue.enqueue()
    administering = queue.broker.administering

    assert administering.update_payload(queue.queue, "nobody", b"new") is AdminOutcome.TASK_NOT_FOUND
    assert administering.update_payload(f"{queue.queue}-none", "nobody", b"new") is AdminOutcome.QUEUE_NOT_FOUND
