"""What does it mean that a task is enqueued?

Source: docs/semantics.md, "enqueue".
"""

from __future__ import annotations

from asynq_compat.ports.consuming import SettleOutcome
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness


def a_new_task_is_pending(queue: QueueHarness) -> None:
    """It is there for everybody as soon as the call returns."""
    task_id = queue.enqueue("email", payload=b"hello")

    found = queue.task(task_id)
    assert found.state is TaskState.PENDING
    assert found.result is None
    assert queue.stats().pending == 1


def its_message_is_kept_byte_for_byte(queue: QueueHarness) -> None:
    """Header, payload and what a newer Asynq may add: nothing is decoded and written again on the way."""
    request = queue.request("email", payload=bytes(range(256)), headers={"trace": "a1"})
    request_bytes = request.message + b"\xfa\x3f\x01x"  # Field 1023, which nobody knows yet.
    worker = queue.worker()

    queue.send(type(request)(request.queue, request.task_id, request_bytes))

    assert queue.task(request.task_id).message == request_bytes
    assert worker.take_one().message == request_bytes


def a_large_payload_arrives_whole(queue: QueueHarness) -> None:
    """A quarter of a megabyte is an ordinary task."""
    payload = bytes(range(256)) * 1000
    task_id = queue.enqueue(payload=payload)

    assert queue.message(task_id).payload == payload


def tasks_start_in_the_order_in_which_they_came(queue: QueueHarness) -> None:
    """First in, first out, over calls and within one."""
    ids = [queue.enqueue(), *queue.enqueue_many(3), queue.enqueue()]

    assert queue.are(queue.listed(TaskState.PENDING), ids)
    assert queue.are([lease.task_id for lease in queue.worker().take(5)], ids)


def each_request_of_a_batch_has_its_own_outcome(queue: QueueHarness) -> None:
    """One conflict in the middle stops nothing."""
    queue.enqueue(task_id="taken")
    requests = [queue.request(task_id=task_id) for task_id in ("first", "taken", "last")]

    outcomes = queue.broker.producing.enqueue(requests)

    assert list(outcomes) == [EnqueueStatus.ENQUEUED, EnqueueStatus.ID_CONFLICT, EnqueueStatus.ENQUEUED]
    assert queue.are(queue.listed(TaskState.PENDING), ["taken", "first", "last"])


def the_same_id_twice_in_a_batch_is_a_conflict(queue: QueueHarness) -> None:
    """The batch is no shortcut around the rules: its requests count one after another."""
    outcomes = queue.broker.producing.enqueue([queue.request(task_id="twin"), queue.request(task_id="twin")])

    assert list(outcomes) == [EnqueueStatus.ENQUEUED, EnqueueStatus.ID_CONFLICT]
    assert queue.stats().pending == 1


def an_empty_batch_has_no_outcomes(queue: QueueHarness) -> None:
    """Nothing to do is done at once."""
    assert list(queue.broker.producing.enqueue([])) == []


def an_id_is_taken_whatever_state_its_task_is_in(queue: QueueHarness) -> None:
    """Also by a task that is being worked on, was archived or is kept."""
    queue.finish("kept")
    queue.fail("failed")
    queue.bury("buried")
    queue.enqueue(task_id="later", in_s=60)
    worker = queue.worker(capacity=1)
    queue.enqueue(task_id="running")
    worker.take_one()
    queue.enqueue(task_id="waiting")

    for task_id in ("kept", "failed", "buried", "later", "running", "waiting"):
        assert queue.try_enqueue(task_id=task_id) is EnqueueStatus.ID_CONFLICT, task_id
        assert queue.try_enqueue(task_id=task_id, in_s=60) is EnqueueStatus.ID_CONFLICT, task_id


def an_id_is_free_again_once_its_task_is_gone(queue: QueueHarness) -> None:
    """Ids are not remembered."""
    queue.enqueue(task_id="again")
    worker = queue.worker()

    assert worker.done(worker.take_one()) == [SettleOutcome.SETTLED]

    assert queue.try_enqueue(task_id="again") is EnqueueStatus.ENQUEUED


def the_same_id_in_another_queue_is_another_task(queue: QueueHarness) -> None:
    """Ids are unique in their queue, not beyond."""
    other = f"{queue.queue}-other"

    assert queue.try_enqueue(task_id="shared") is EnqueueStatus.ENQUEUED
    assert queue.try_enqueue(task_id="shared", queue=other) is EnqueueStatus.ENQUEUED


def the_queue_is_known_from_its_first_task_on(queue: QueueHarness) -> None:
    """An inspector finds it without anybody having announced it."""
    assert queue.queue not in queue.broker.inspecting.queues()

    queue.enqueue()

    assert queue.queue in queue.broker.inspecting.queues()


def a_task_for_later_is_scheduled(queue: QueueHarness) -> None:
    """It waits with its whole second, and no worker is given it."""
    task_id = queue.enqueue(in_s=90)

    found = queue.task(task_id)
    assert (found.state, found.next_process_at) == (TaskState.SCHEDULED, queue.clock.now_s() + 90)
    assert (queue.stats().scheduled, queue.stats().pending) == (1, 0)
    assert queue.worker().is_given_nothing()


def a_queue_may_have_any_name(queue: QueueHarness) -> None:
    """Asynq takes every name that is not blank: blanks, colons, slashes, other scripts."""
    for name in ("with blank", "a:b", "a/b.c", "Заказы", "UPPER"):
        odd = f"{queue.queue}-{name}"

        assert queue.try_enqueue(task_id="odd", queue=odd) is EnqueueStatus.ENQUEUED

        assert odd in queue.broker.inspecting.queues()
        stats = queue.broker.inspecting.queue_stats(odd)
        assert stats is not None
        assert stats.pending == 1
