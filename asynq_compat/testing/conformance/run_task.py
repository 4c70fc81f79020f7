"""What does it mean to run a waiting task now?

Source: docs/semantics.md, "inspector writes on one task".
"""

from __future__ import annotations

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.grouping import sets_of
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def whatever_waits_becomes_pending(queue: QueueHarness) -> None:
    """Scheduled, retried, archived, even completed."""
    ids = [queue.finish(), queue.fail(), queue.bury(), queue.enqueue(in_s=600)]

    for task_id in ids:
        assert queue.broker.administering.run_task(queue.queue, task_id) is AdminOutcome.OK
        assert queue.state(task_id) is TaskState.PENDING, task_id

    stats = queue.stats()
    assert (stats.completed, stats.retry, stats.archived, stats.scheduled, stats.pending) == (0, 0, 0, 0, 4)


def it_runs_after_what_was_pending_before(queue: QueueHarness) -> None:
    """It joins at the end of the line, whatever its age."""
    later = queue.enqueue(in_s=600)
    pending = queue.enqueue()

    queue.broker.administering.run_task(queue.queue, later)

    assert queue.are([lease.task_id for lease in queue.worker().take(2)], [pending, later])


def its_message_is_unchanged(queue: QueueHarness) -> None:
    """The retries it has used stay used."""
    task_id = queue.fail()
    before = queue.task(task_id).message

    queue.broker.administering.run_task(queue.queue, task_id)

    assert queue.task(task_id).message == before


def what_is_active_or_pending_stays(queue: QueueHarness) -> None:
    """And the answer says which."""
    active = queue.enqueue()
    worker = queue.worker(capacity=1)
    worker.take_one()
    pending = queue.enqueue()
    administering = queue.broker.administering

    assert administering.run_task(queue.queue, active) is AdminOutcome.TASK_IS_ACTIVE
    assert administering.run_task(queue.queue, pending) is AdminOutcome.TASK_IS_PENDING

    assert (queue.stats().active, queue.stats().pending) == (1, 1)


def one_of_a_group_leaves_it(queue: QueueHarness) -> None:
    """The others wait on; with the last one the group is gone."""
    queue.enqueue(task_id="a", group="g")
    queue.enqueue(task_id="b", group="g")

    assert queue.broker.administering.run_task(queue.queue, "a") is AdminOutcome.OK

    assert queue.state("a") is TaskState.PENDING
    assert (queue.groups(), queue.grouped("g")) == ([("g", 1)], ["b"])
    assert queue.broker.administering.run_task(queue.queue, "b") is AdminOutcome.OK
    assert queue.groups() == []


@passes(60)
def what_is_being_aggregated_stays(queue: QueueHarness) -> None:
    """Who makes one task of it and others has read it already."""
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(60)
    assert len(sets_of(queue)) == 1

    assert queue.broker.administering.run_task(queue.queue, "a") is AdminOutcome.TASK_IS_IN_SET

    assert queue.state("a") is TaskState.AGGREGATING


def what_is_missing_is_told(queue: QueueHarness) -> None:
    """The queue or the task."""
    queue.enqueue()
    administering = queue.broker.administering

    assert administering.run_task(queue.queue, "nobody") is AdminOutcome.TASK_NOT_FOUND
    assert administering.run_task(f"{queue.queue}-none", "nobody") is AdminOutcome.QUEUE_NOT_FOUND
