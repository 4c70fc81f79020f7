"""What does it mean that a task is enqueued into a group?

Source: docs/semantics.md, "enqueue".
"""

from __future__ import annotations

from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def it_waits_in_its_group(queue: QueueHarness) -> None:
    """No worker is given it."""
    task_id = queue.enqueue("email", payload=b"hello", group="tenant-7")

    found = queue.task(task_id)
    assert (found.state, found.next_process_at, queue.message(task_id).payload) == (
        TaskState.AGGREGATING,
        None,
        b"hello",
    )
    assert (queue.groups(), queue.grouped("tenant-7")) == ([("tenant-7", 1)], [task_id])
    stats = queue.stats()
    assert (stats.groups, stats.aggregating, stats.pending, stats.size) == (1, 1, 0, 1)
    assert queue.worker().is_given_nothing()


def its_id_is_taken(queue: QueueHarness) -> None:
    """For tasks with and without a group."""
    queue.enqueue(task_id="taken", group="g")

    assert queue.try_enqueue(task_id="taken", group="g") is EnqueueStatus.ID_CONFLICT
    if queue.traits.is_one_order:
        assert queue.try_enqueue(task_id="taken") is EnqueueStatus.ID_CONFLICT
        assert queue.try_enqueue(task_id="taken", group="h") is EnqueueStatus.ID_CONFLICT
    assert queue.stats().aggregating == 1


def a_lock_keeps_out_its_like(queue: QueueHarness) -> None:
    """As outside of groups."""
    queue.enqueue("pay", payload=b"7", group="g", unique_ttl_s=600)

    assert queue.try_enqueue("pay", payload=b"7", group="g", unique_ttl_s=600) is EnqueueStatus.DUPLICATE
    assert queue.try_enqueue("pay", payload=b"8", group="g", unique_ttl_s=600) is EnqueueStatus.ENQUEUED


def a_batch_may_hold_all_kinds(queue: QueueHarness) -> None:
    """Each goes where it belongs."""
    requests = [
        queue.request(task_id="a"),
        queue.request(task_id="b", group="g"),
        queue.request(task_id="c", in_s=600),
        queue.request(task_id="d", group="h"),
        queue.request(task_id="e", group="g", unique_ttl_s=60),
    ]

    assert list(queue.broker.producing.enqueue(requests)) == [EnqueueStatus.ENQUEUED] * 5

    stats = queue.stats()
    assert (stats.pending, stats.scheduled, stats.aggregating, stats.groups) == (1, 1, 3, 2)
    assert (queue.grouped("g"), queue.grouped("h")) == (["b", "e"], ["d"])


@passes(3)
def a_delayed_task_and_its_group(queue: QueueHarness) -> None:
    """Go's clients and servers forget it (G6); on a journal it waits in its group from its second on."""
    task_id = queue.enqueue(in_s=3, group="g")
    assert (queue.state(task_id), queue.groups()) == (TaskState.SCHEDULED, [])

    queue.pass_s(3)
    is_forgotten = queue.traits.groups_as_go
    queue.wait_for_state(task_id, TaskState.PENDING if is_forgotten else TaskState.AGGREGATING)

    assert queue.groups() == ([] if is_forgotten else [("g", 1)])


@passes(2)
def what_failed_returns_to_its_group(queue: QueueHarness) -> None:
    """A task that was run by hand and failed waits in its group again; Go does not announce the group then (G7)."""
    task_id = queue.enqueue(group="g")
    queue.broker.administering.run_task(queue.queue, task_id)
    queue.with_worker(lambda worker: worker.retry(worker.take_one(), delay_s=2))

    queue.pass_s(2)
    queue.wait_for_state(task_id, TaskState.AGGREGATING)

    assert queue.grouped("g") == [task_id]
    assert queue.groups() == ([] if queue.traits.groups_as_go else [("g", 1)])


def deleting_it_and_its_lock(queue: QueueHarness) -> None:
    """Go's task does not know its lock (G5), which stays; on a journal it is free."""
    task_id = queue.enqueue("pay", payload=b"7", group="g", unique_ttl_s=600)
    queue.broker.administering.delete_task(queue.queue, task_id)

    again = queue.try_enqueue("pay", payload=b"7", unique_ttl_s=600)

    assert again is (EnqueueStatus.DUPLICATE if queue.traits.groups_as_go else EnqueueStatus.ENQUEUED)
