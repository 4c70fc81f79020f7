"""What does a paused queue do, and what does it go on doing?

Source: docs/semantics.md, "pause".
"""

from __future__ import annotations

from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.consuming import SettleOutcome
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def a_paused_queue_gives_out_nothing(queue: QueueHarness) -> None:
    """What it has stays pending; a worker that waits is given the task when the pause ends."""
    task_id = queue.enqueue()
    assert queue.broker.administering.pause_queue(queue.queue) is AdminOutcome.OK
    worker = queue.worker()

    assert worker.is_given_nothing()
    assert queue.state(task_id) is TaskState.PENDING
    assert queue.broker.administering.unpause_queue(queue.queue) is AdminOutcome.OK

    assert worker.take_one().task_id == task_id


def it_takes_in_new_tasks(queue: QueueHarness) -> None:
    """Pausing is about giving out."""
    queue.enqueue()
    queue.broker.administering.pause_queue(queue.queue)

    assert queue.try_enqueue() is EnqueueStatus.ENQUEUED
    assert queue.stats().pending == 2


def what_is_being_worked_on_can_be_settled(queue: QueueHarness) -> None:
    """The work goes on."""
    queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    queue.broker.administering.pause_queue(queue.queue)

    assert worker.done(lease) == [SettleOutcome.SETTLED]


@passes(2)
def time_goes_on(queue: QueueHarness) -> None:
    """Scheduled tasks become pending; they wait for the end of the pause like the others."""
    task_id = queue.enqueue(in_s=1)
    queue.broker.administering.pause_queue(queue.queue)

    queue.pass_s(2)

    queue.wait_for_state(task_id, TaskState.PENDING)


def pausing_twice_is_told(queue: QueueHarness) -> None:
    """Somebody else may have paused it."""
    queue.enqueue()
    administering = queue.broker.administering

    assert administering.unpause_queue(queue.queue) is AdminOutcome.QUEUE_IS_NOT_PAUSED
    assert administering.pause_queue(queue.queue) is AdminOutcome.OK
    assert administering.pause_queue(queue.queue) is AdminOutcome.QUEUE_IS_PAUSED
    assert queue.stats().paused
    assert administering.unpause_queue(queue.queue) is AdminOutcome.OK
    assert not queue.stats().paused


def another_queue_is_served(queue: QueueHarness) -> None:
    """A worker of both goes on with the other."""
    other = f"{queue.queue}-other"
    queue.enqueue()
    queue.enqueue(queue=other)
    queue.broker.administering.pause_queue(queue.queue)

    worker = queue.worker(queues={queue.queue: 9, other: 1})

    assert worker.take_one().queue == other
    assert worker.is_given_nothing()


def a_queue_can_be_paused_before_its_first_task(queue: QueueHarness) -> None:
    """A deployment may want to fill it first."""
    assert queue.broker.administering.pause_queue(queue.queue) is AdminOutcome.OK

    queue.enqueue()

    assert queue.stats().paused
    assert queue.worker().is_given_nothing()
