"""When does a task that waits for its time become pending?

Source: docs/semantics.md, "forward". On a journal time passes inside the machine; on Redis the forwarder makes it pass.
"""

from __future__ import annotations

from asynq_compat.ports.maintaining import Duty
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


@passes(3)
def a_scheduled_task_becomes_pending_when_its_second_comes(queue: QueueHarness) -> None:
    """Not before."""
    task_id = queue.enqueue(in_s=3)

    queue.pass_s(1)
    queue.do_duties()
    assert queue.state(task_id) is TaskState.SCHEDULED
    queue.pass_s(2)
    queue.wait_for_state(task_id, TaskState.PENDING)

    stats = queue.stats()
    assert (stats.scheduled, stats.pending) == (0, 1)
    assert queue.worker().take_one().task_id == task_id


@passes(3)
def a_retried_task_becomes_pending_when_its_second_comes(queue: QueueHarness) -> None:
    """Like a scheduled one."""
    task_id = queue.fail(delay_s=3)

    queue.pass_s(1)
    queue.do_duties()
    assert queue.state(task_id) is TaskState.RETRY
    queue.pass_s(2)
    queue.wait_for_state(task_id, TaskState.PENDING)

    assert (queue.stats().retry, queue.stats().pending) == (0, 1)


@passes(4)
def tasks_become_pending_in_the_order_of_their_seconds(queue: QueueHarness) -> None:
    """Whatever the order in which they were enqueued."""
    third, first, second = (queue.enqueue(in_s=in_s) for in_s in (3, 1, 2))

    queue.pass_s(4)
    queue.wait_for_state(third, TaskState.PENDING)

    assert queue.are(queue.listed(TaskState.PENDING), [first, second, third])


@passes(2)
def tasks_of_one_second_become_pending_by_their_ids(queue: QueueHarness) -> None:
    """A sorted set orders equal scores by member; so does everybody."""
    for task_id in ("c", "a", "b"):
        queue.enqueue(task_id=task_id, in_s=1)

    queue.pass_s(2)
    queue.wait_for_state("c", TaskState.PENDING)

    assert queue.are(queue.listed(TaskState.PENDING), ["a", "b", "c"])


@passes(2)
def many_become_pending_at_once(queue: QueueHarness) -> None:
    """Go moves a hundred at a time, and goes on until none is left."""
    requests = [queue.request(in_s=1) for _ in range(250)]
    queue.broker.producing.enqueue(requests)

    queue.pass_s(2)
    queue.wait_for_state(requests[-1].task_id, TaskState.PENDING)
    queue.wait_until(lambda: queue.stats().pending == 250, "250 pending tasks", queue.stats)

    assert queue.stats().scheduled == 0


@passes(2)
def forwarding_says_how_many(queue: QueueHarness) -> None:
    """Over all queues of the call; a second time there is nothing left."""
    maintaining = queue.broker.maintaining
    if Duty.FORWARD not in queue.broker.duties:
        assert maintaining.forward_due([queue.queue]) == 0
        return
    queue.enqueue(in_s=1)
    queue.enqueue(in_s=1)
    queue.enqueue(in_s=600)
    queue.pass_s(2)

    assert maintaining.forward_due([queue.queue, f"{queue.queue}-none"]) == 2
    assert maintaining.forward_due([queue.queue]) == 0


@passes(2)
def what_is_forwarded_keeps_its_message(queue: QueueHarness) -> None:
    """It only changes its place."""
    task_id = queue.enqueue("report", payload=b"x", in_s=1)
    before = queue.task(task_id).message

    queue.pass_s(2)
    queue.wait_for_state(task_id, TaskState.PENDING)

    assert queue.task(task_id).message == before
