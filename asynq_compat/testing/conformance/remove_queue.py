"""What does it mean that a queue is removed?

Source: docs/semantics.md, "inspector writes on many".
"""

from __future__ import annotations

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.inspecting import Missing
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.testing.conformance.harness import QueueHarness


def an_empty_queue_is_forgotten(queue: QueueHarness) -> None:
    """Nobody lists it any more."""
    queue.broker.administering.delete_task(queue.queue, queue.enqueue())

    assert queue.broker.administering.remove_queue(queue.queue, force=False) is AdminOutcome.OK

    assert queue.queue not in queue.broker.inspecting.queues()
    assert queue.broker.inspecting.queue_stats(queue.queue) is None


def one_that_holds_tasks_stays(queue: QueueHarness) -> None:
    """Unless they may be deleted."""
    ids = [queue.fail(), queue.bury(), queue.enqueue(), queue.enqueue(in_s=600)]
    administering = queue.broker.administering

    assert administering.remove_queue(queue.queue, force=False) is AdminOutcome.QUEUE_IS_NOT_EMPTY
    assert queue.stats().size == 4
    assert administering.remove_queue(queue.queue, force=True) is AdminOutcome.OK

    assert queue.queue not in queue.broker.inspecting.queues()
    assert {queue.state(task_id) for task_id in ids} == {Missing.QUEUE}


def one_with_an_active_task_stays_whatever_is_allowed(queue: QueueHarness) -> None:
    """Its worker would not notice."""
    worker = queue.worker(capacity=1)
    queue.enqueue()
    lease = worker.take_one()
    waiting = queue.enqueue()
    administering = queue.broker.administering

    assert administering.remove_queue(queue.queue, force=False) is AdminOutcome.QUEUE_IS_NOT_EMPTY
    assert administering.remove_queue(queue.queue, force=True) is AdminOutcome.QUEUE_HAS_ACTIVE_TASKS

    assert queue.stats().size == 2
    worker.done(lease)
    assert worker.take_one().task_id == waiting


def it_is_there_again_with_its_next_task(queue: QueueHarness) -> None:
    """Empty but for that one; where Go's rules hold as it was otherwise (G21)."""
    queue.bury()
    finished, grouped = queue.finish(), queue.enqueue(group="g")
    queue.broker.administering.pause_queue(queue.queue)
    queue.broker.administering.remove_queue(queue.queue, force=True)

    again = queue.enqueue()

    stats = queue.stats()
    leftovers = queue.traits.keeps_part_of_a_removed_queue
    assert (stats.pending, stats.archived) == (1, 0)
    assert stats.paused == leftovers
    assert (stats.completed, stats.processed_total, stats.failed_total) == ((1, 2, 1) if leftovers else (0, 0, 0))
    for task_id in (finished, grouped):
        assert (queue.state(task_id) is Missing.TASK) != leftovers
    assert queue.groups() == ([("g", 1)] if leftovers else [])
    if not leftovers:
        assert queue.worker(capacity=1).take_one().task_id == again


def completed_and_grouped_tasks_are_tasks_where_go_s_rules_do_not_hold(queue: QueueHarness) -> None:
    """Go does not look at them (G21)."""
    expected = AdminOutcome.OK if queue.traits.keeps_part_of_a_removed_queue else AdminOutcome.QUEUE_IS_NOT_EMPTY
    queue.finish()
    queue.enqueue(group="g", queue=f"{queue.queue}-grouped")

    for name in (queue.queue, f"{queue.queue}-grouped"):
        assert queue.broker.administering.remove_queue(name, force=False) is expected


def its_locks_are_free_where_go_s_rules_do_not_hold(queue: QueueHarness) -> None:
    """Go lets them end by themselves."""
    queue.enqueue("pay", unique_ttl_s=600)
    queue.broker.administering.remove_queue(queue.queue, force=True)

    is_free = queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.ENQUEUED

    assert is_free != queue.traits.keeps_part_of_a_removed_queue


def who_serves_it_gets_what_comes_next(queue: QueueHarness) -> None:
    """A server does not notice that its queue was away."""
    worker = queue.worker(capacity=1)
    queue.enqueue()
    worker.done(worker.take_one())
    assert queue.broker.administering.remove_queue(queue.queue, force=True) is AdminOutcome.OK

    again = queue.enqueue()

    assert worker.take_one().task_id == again


def an_unknown_queue_is_told(queue: QueueHarness) -> None:
    """Nothing is to be removed."""
    assert queue.broker.administering.remove_queue(queue.queue, force=True) is AdminOutcome.QUEUE_NOT_FOUND
