"""When does a completed task vanish?

Source: docs/semantics.md, "retention". On a journal it vanishes by itself; on Redis the janitor deletes it.
"""

from __future__ import annotations

from asynq_compat.ports.inspecting import Missing
from asynq_compat.ports.maintaining import Duty
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


@passes(3)
def a_task_is_kept_for_its_retention(queue: QueueHarness) -> None:
    """Then it is gone, and so is its result."""
    task_id = queue.finish(retention=3)

    queue.pass_s(1)
    queue.do_duties()
    assert queue.state(task_id) is TaskState.COMPLETED
    queue.pass_s(2)
    queue.wait_for_state(task_id, Missing.TASK)

    assert queue.stats().completed == 0


@passes(3)
def its_id_is_free_again(queue: QueueHarness) -> None:
    """As if it had never been."""
    queue.finish("again", retention=2)
    assert queue.try_enqueue(task_id="again") is EnqueueStatus.ID_CONFLICT

    queue.pass_s(3)
    queue.wait_for_state("again", Missing.TASK)

    assert queue.try_enqueue(task_id="again") is EnqueueStatus.ENQUEUED


@passes(3)
def others_stay(queue: QueueHarness) -> None:
    """Each has its own retention; archived tasks have none."""
    short, long, buried = queue.finish(retention=2), queue.finish(retention=3600), queue.bury()

    queue.pass_s(3)
    queue.wait_for_state(short, Missing.TASK)

    assert queue.state(long) is TaskState.COMPLETED
    assert queue.state(buried) is TaskState.ARCHIVED


@passes(3)
def deleting_says_how_many(queue: QueueHarness) -> None:
    """In batches until none is left."""
    maintaining = queue.broker.maintaining
    queue.enqueue_many(1)
    for _ in range(7):
        queue.enqueue(retention=2)
    worker = queue.worker(capacity=8)
    plain, *kept = worker.take(8)
    worker.done(plain)
    worker.complete(*kept)
    queue.pass_s(3)

    deleted = maintaining.delete_expired_completed([queue.queue], 3)

    assert deleted == (7 if Duty.EXPIRE_COMPLETED in queue.broker.duties else 0)
    assert maintaining.delete_expired_completed([queue.queue], 3) == 0
    queue.wait_until(lambda: queue.stats().completed == 0, "no completed task", queue.stats)
