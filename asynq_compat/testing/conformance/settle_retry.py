"""What does it mean that a task failed and is tried again?

Source: docs/semantics.md, "settle".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def a_failed_task_waits_for_its_next_attempt(queue: QueueHarness) -> None:
    """With whole seconds from now."""
    task_id = queue.enqueue()
    worker = queue.worker()

    assert worker.retry(worker.take_one(), delay_s=90) is SettleOutcome.SETTLED

    found = queue.task(task_id)
    assert (found.state, found.next_process_at) == (TaskState.RETRY, queue.clock.now_s() + 90)
    assert (queue.stats().retry, queue.stats().active) == (1, 0)
    assert worker.is_given_nothing()


def its_message_tells_of_the_failure(queue: QueueHarness) -> None:
    """One retry more, the text and the instant of the failure; everything else as it was."""
    task_id = queue.enqueue("report", payload=b"x", headers={"trace": "a1"}, retry=7)
    worker = queue.worker()

    worker.retry(worker.take_one(), error_msg="no such customer: Ünal")

    message = queue.message(task_id)
    assert (message.retried, message.error_msg) == (1, "no such customer: Ünal")
    assert message.last_failed_at == queue.clock.now_s()
    assert (message.type, message.payload, message.headers, message.retry) == ("report", b"x", {"trace": "a1"}, 7)


def it_counts_as_processed_and_failed(queue: QueueHarness) -> None:
    """Each attempt counts."""
    queue.fail()

    stats = queue.stats()
    assert (stats.processed, stats.failed, stats.processed_total, stats.failed_total) == (1, 1, 1, 1)


def what_is_no_failure_counts_nothing(queue: QueueHarness) -> None:
    """It waits like a failed task, with its text, but its retries are not used up."""
    task_id = queue.enqueue()
    worker = queue.worker()

    assert worker.retry(worker.take_one(), error_msg="not now", is_failure=False) is SettleOutcome.SETTLED

    message = queue.message(task_id)
    stats = queue.stats()
    assert queue.state(task_id) is TaskState.RETRY
    assert (message.retried, message.error_msg) == (0, "not now")
    assert (stats.processed, stats.failed, stats.processed_total, stats.failed_total) == (0, 0, 0, 0)


@passes(3)
def each_attempt_adds_one_retry(queue: QueueHarness) -> None:
    """The count lives in the message and comes back with it."""
    task_id = queue.enqueue()

    for attempt in range(3):
        worker = queue.worker()
        lease = worker.take_one()
        assert lease.task_id == task_id
        worker.retry(lease, delay_s=0, error_msg=f"attempt {attempt}")
        worker.intake.close()  # A journal would give it the task again at once.
        queue.pass_s(1)
        queue.wait_for_state(task_id, TaskState.PENDING)

    message = queue.message(task_id)
    assert (message.retried, message.error_msg) == (3, "attempt 2")
    assert queue.stats().failed == 3


def a_task_is_retried_once_per_attempt(queue: QueueHarness) -> None:
    """A second settlement of the same lease changes nothing and says so."""
    task_id = queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    assert worker.retry(lease) is SettleOutcome.SETTLED
    assert worker.retry(lease) is SettleOutcome.NOT_HELD

    assert queue.message(task_id).retried == 1
    assert queue.stats().failed == 1


def retries_are_listed_by_their_time(queue: QueueHarness) -> None:
    """The next one first."""
    worker = queue.worker()
    queue.enqueue_many(3)
    leases = worker.take(3)

    for lease, delay_s in zip(leases, (300, 100, 200), strict=True):
        worker.retry(lease, delay_s=delay_s)

    assert queue.listed(TaskState.RETRY) == [leases[number].task_id for number in (1, 2, 0)]
