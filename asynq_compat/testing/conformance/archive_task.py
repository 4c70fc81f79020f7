"""What does it mean to put a task into the archive by hand?

Source: docs/semantics.md, "inspector writes on one task".
"""

from __future__ import annotations

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.grouping import sets_of
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def whatever_is_not_active_goes_to_the_archive(queue: QueueHarness) -> None:
    """Pending, scheduled, retried, even completed."""
    ids = [queue.finish(), queue.fail(), queue.enqueue(), queue.enqueue(in_s=600)]

    for task_id in ids:
        assert queue.broker.administering.archive_task(queue.queue, task_id) is AdminOutcome.OK
        assert queue.state(task_id) is TaskState.ARCHIVED, task_id

    stats = queue.stats()
    assert (stats.completed, stats.retry, stats.pending, stats.scheduled, stats.archived) == (0, 0, 0, 0, 4)


def it_is_not_given_to_a_worker(queue: QueueHarness) -> None:
    """Its neighbours are."""
    first, second, third = queue.enqueue_many(3)

    queue.broker.administering.archive_task(queue.queue, second)

    assert queue.are([lease.task_id for lease in queue.worker().take(2)], [first, third])


def neither_message_nor_counters_change(queue: QueueHarness) -> None:
    """It has not failed: somebody has put it away."""
    task_id = queue.fail()
    before, counted = queue.task(task_id).message, queue.stats()

    queue.broker.administering.archive_task(queue.queue, task_id)

    stats = queue.stats()
    assert queue.task(task_id).message == before
    assert (stats.processed_total, stats.failed_total) == (counted.processed_total, counted.failed_total)


def it_keeps_its_lock(queue: QueueHarness) -> None:
    """It may be run again."""
    task_id = queue.enqueue("pay", unique_ttl_s=600)

    queue.broker.administering.archive_task(queue.queue, task_id)

    assert queue.try_enqueue("pay", unique_ttl_s=600) is EnqueueStatus.DUPLICATE


def what_is_active_or_archived_stays(queue: QueueHarness) -> None:
    """And the answer says which."""
    buried = queue.bury()
    active = queue.enqueue()
    queue.worker(capacity=1).take_one()
    administering = queue.broker.administering

    assert administering.archive_task(queue.queue, active) is AdminOutcome.TASK_IS_ACTIVE
    assert administering.archive_task(queue.queue, buried) is AdminOutcome.TASK_IS_ARCHIVED

    assert (queue.stats().active, queue.stats().archived) == (1, 1)


def one_of_a_group_leaves_it(queue: QueueHarness) -> None:
    """The others wait on; with the last one the group is gone."""
    queue.enqueue(task_id="a", group="g")
    queue.enqueue(task_id="b", group="g")

    assert queue.broker.administering.archive_task(queue.queue, "a") is AdminOutcome.OK

    assert queue.state("a") is TaskState.ARCHIVED
    assert (queue.groups(), queue.grouped("g")) == ([("g", 1)], ["b"])
    assert queue.broker.administering.archive_task(queue.queue, "b") is AdminOutcome.OK
    assert queue.groups() == []


@passes(60)
def what_is_being_aggregated_stays(queue: QueueHarness) -> None:
    """Who makes one task of it and others has read it already."""
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(60)
    assert len(sets_of(queue)) == 1

    assert queue.broker.administering.archive_task(queue.queue, "a") is AdminOutcome.TASK_IS_IN_SET

    assert queue.state("a") is TaskState.AGGREGATING


def what_is_missing_is_told(queue: QueueHarness) -> None:
    """The queue or the task."""
    queue.enqueue()
    administering = queue.broker.administering

    assert administering.archive_task(queue.queue, "nobody") is AdminOutcome.TASK_NOT_FOUND
    assert administering.archive_task(f"{queue.queue}-none", "nobody") is AdminOutcome.QUEUE_NOT_FOUND
