"""What does it mean to delete a task?

Source: docs/semantics.md, "inspector writes on one task".
"""

from __future__ import annotations

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.inspecting import Missing
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.grouping import sets_of
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def whatever_is_not_active_is_gone(queue: QueueHarness) -> None:
    """Pending, scheduled, retried, archived, completed."""
    ids = [queue.finish(), queue.fail(), queue.bury(), queue.enqueue(), queue.enqueue(in_s=600)]

    for task_id in ids:
        assert queue.broker.administering.delete_task(queue.queue, task_id) is AdminOutcome.OK
        assert queue.state(task_id) is Missing.TASK, task_id

    stats = queue.stats()
    assert (stats.completed, stats.retry, stats.archived, stats.pending, stats.scheduled) == (0, 0, 0, 0, 0)


def its_neighbours_stay_in_order(queue: QueueHarness) -> None:
    """Only the one that was named."""
    first, second, third = queue.enqueue_many(3)

    queue.broker.administering.delete_task(queue.queue, second)

    assert queue.are([lease.task_id for lease in queue.worker().take(2)], [first, third])


def its_id_is_free_again(queue: QueueHarness) -> None:
    """Ids are not remembered."""
    queue.enqueue(task_id="again")

    queue.broker.administering.delete_task(queue.queue, "again")

    assert queue.try_enqueue(task_id="again") is EnqueueStatus.ENQUEUED


def an_active_task_stays(queue: QueueHarness) -> None:
    """Its worker would not notice."""
    active = queue.enqueue()
    queue.worker(capacity=1).take_one()

    assert queue.broker.administering.delete_task(queue.queue, active) is AdminOutcome.TASK_IS_ACTIVE

    assert queue.stats().active == 1


def one_of_a_group_leaves_it(queue: QueueHarness) -> None:
    """The others wait on; with the last one the group is gone."""
    queue.enqueue(task_id="a", group="g")
    queue.enqueue(task_id="b", group="g")

    assert queue.broker.administering.delete_task(queue.queue, "a") is AdminOutcome.OK

    assert queue.state("a") is Missing.TASK
    assert (queue.groups(), queue.grouped("g")) == ([("g", 1)], ["b"])
    assert queue.broker.administering.delete_task(queue.queue, "b") is AdminOutcome.OK
    assert queue.groups() == []


@passes(60)
def what_is_being_aggregated_stays(queue: QueueHarness) -> None:
    """Who makes one task of it and others has read it already."""
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(60)
    assert len(sets_of(queue)) == 1

    assert queue.broker.administering.delete_task(queue.queue, "a") is AdminOutcome.TASK_IS_IN_SET

    assert queue.state("a") is TaskState.AGGREGATING


def what_is_missing_is_told(queue: QueueHarness) -> None:
    """The queue or the task; a task that was deleted is missing."""
    task_id = queue.enqueue()
    administering = queue.broker.administering
    administering.delete_task(queue.queue, task_id)

    assert administering.delete_task(queue.queue, task_id) is AdminOutcome.TASK_NOT_FOUND
    assert administering.delete_task(f"{queue.queue}-none", "nobody") is AdminOutcome.QUEUE_NOT_FOUND
