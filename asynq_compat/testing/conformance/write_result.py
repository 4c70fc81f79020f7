"""Where does a handler's result go?

Source: docs/semantics.md, "ResultWriter".
"""

from __future__ import annotations

from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def a_result_is_seen_while_the_task_runs(queue: QueueHarness) -> None:
    """Progress, for example; its length in bytes is returned."""
    task_id = queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    assert worker.intake.write_result(lease, b"50 \xe2\x82\xac") == 6

    queue.wait_until(
        lambda: queue.task(task_id).result == b"50 \xe2\x82\xac", "the result", lambda: queue.task(task_id)
    )


def the_last_result_counts(queue: QueueHarness) -> None:
    """Each replaces the one before, an empty one too."""
    task_id = queue.enqueue(retention=600)
    worker = queue.worker()
    lease = worker.take_one()

    for result in (b"10 %", b"", b"100 %"):
        worker.intake.write_result(lease, result)
    worker.complete(lease)

    assert queue.task(task_id).result == b"100 %"


@passes(2)
def a_result_outlives_a_failed_attempt(queue: QueueHarness) -> None:
    """The next attempt may go on from it."""
    task_id = queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    worker.intake.write_result(lease, b"half")
    worker.retry(lease, delay_s=1)
    worker.intake.close()  # A journal would give it the task again at once.
    queue.pass_s(2)
    queue.wait_for_state(task_id, TaskState.PENDING)

    assert queue.task(task_id).result == b"half"
