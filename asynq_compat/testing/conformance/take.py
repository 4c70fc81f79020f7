"""Who is given which task?

Source: docs/semantics.md, "take".
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from asynq_compat.ports.consuming import Lease, QueueOrder, SettleOutcome
from asynq_compat.rules.sampling import SAMPLES_MAX
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes
from asynq_compat.testing.conformance.worker import GIVE_UP_AFTER_S


def a_taken_task_is_active(queue: QueueHarness) -> None:
    """And nobody else's."""
    task_id = queue.enqueue("email", payload=b"x")

    lease = queue.worker().take_one()

    assert (lease.queue, lease.task_id) == (queue.queue, task_id)
    assert lease.term.is_valid()
    assert queue.state(task_id) is TaskState.ACTIVE
    assert (queue.stats().active, queue.stats().pending) == (1, 0)


def no_task_is_given_twice(queue: QueueHarness) -> None:
    """However many take."""
    ids = queue.enqueue_many(30)
    workers = [queue.worker(capacity=10) for _ in range(3)]

    taken = [lease.task_id for worker in workers for lease in worker.take(10)]

    assert sorted(taken) == sorted(ids)


def a_worker_is_given_no_more_than_it_has_room_for(queue: QueueHarness) -> None:
    """The rest stays for others."""
    queue.enqueue_many(5)
    worker = queue.worker(capacity=2)

    worker.take(2)

    assert worker.is_given_nothing()
    assert queue.stats().pending == 3
    assert len(queue.worker(capacity=10).take(3)) == 3


def a_freed_slot_is_filled_again(queue: QueueHarness) -> None:
    """Settling frees it."""
    ids = queue.enqueue_many(3)
    worker = queue.worker(capacity=1)

    taken = []
    for _ in ids:
        lease = worker.take_one()
        taken.append(lease.task_id)
        worker.done(lease)

    assert queue.are(taken, ids)


def a_slot_whose_lease_was_lost_is_filled_again(queue: QueueHarness) -> None:
    """A slot can be freed without a settlement."""
    queue.enqueue_many(2)
    worker = queue.worker(capacity=1)
    worker.take_one()

    assert list(worker.intake.settle([], 1)) == []

    worker.take_one()


def an_empty_queue_gives_nothing(queue: QueueHarness) -> None:
    """`take` comes back after its time."""
    assert queue.worker().is_given_nothing()


def a_waiting_worker_is_woken_by_a_task(queue: QueueHarness) -> None:
    """It need not ask again."""
    worker = queue.worker()
    taken: list[Lease] = []
    waiting = threading.Thread(target=lambda: taken.extend(worker.intake.take(GIVE_UP_AFTER_S)))

    waiting.start()
    task_id = queue.enqueue()
    waiting.join(GIVE_UP_AFTER_S)

    assert [lease.task_id for lease in taken] == [task_id]


def a_stopped_worker_is_given_nothing_more(queue: QueueHarness) -> None:
    """A blocked `take` returns, later ones give nothing; stopping twice is legal."""
    worker = queue.worker()
    waiting = threading.Thread(target=lambda: worker.intake.take(10 * GIVE_UP_AFTER_S))
    waiting.start()

    worker.intake.stop()
    worker.intake.stop()
    waiting.join(GIVE_UP_AFTER_S)
    task_id = queue.enqueue()

    assert not waiting.is_alive()
    assert worker.is_given_nothing()
    assert queue.state(task_id) is TaskState.PENDING


def a_stopped_worker_may_finish_what_it_has(queue: QueueHarness) -> None:
    """Stopping is about new work."""
    task_id = queue.enqueue()
    worker = queue.worker()
    lease = worker.take_one()

    worker.intake.stop()
    worker.done(lease)

    assert queue.listed(TaskState.ACTIVE) == []
    assert task_id not in queue.listed(TaskState.PENDING)


def what_a_closing_worker_has_not_taken_goes_back_to_its_place(queue: QueueHarness) -> None:
    """A broker may bring tasks before they are asked for; nothing is counted."""
    ids = queue.enqueue_many(4)
    worker = queue.worker(capacity=3)

    worker.intake.stop()
    worker.intake.close()
    worker.intake.close()

    assert queue.are(queue.listed(TaskState.PENDING), ids)
    assert queue.message(ids[0]).retried == 0
    assert queue.stats().processed == 0


def what_was_taken_and_not_started_goes_back_to_its_place(queue: QueueHarness) -> None:
    """A server that shuts down requeues it: it was next in line and is so again."""
    ids = queue.enqueue_many(3)
    worker = queue.worker(capacity=1)
    (unstarted,) = worker.take_unstarted(1)

    worker.intake.stop()
    assert worker.requeue(unstarted) == [SettleOutcome.SETTLED]
    worker.intake.close()

    assert queue.are(queue.listed(TaskState.PENDING), ids)


def strict_order_serves_the_higher_priority_first(queue: QueueHarness) -> None:
    """A lower queue gets what the higher ones leave."""
    low = f"{queue.queue}-low"
    for _ in range(2):
        queue.enqueue(queue=low)
    for _ in range(2):
        queue.enqueue()
    worker = queue.worker(capacity=1, queues={low: 1, queue.queue: 9}, strict=True)

    taken = []
    for _ in range(4):
        lease = worker.take_one()
        taken.append(lease.queue)
        worker.done(lease)

    assert taken == [queue.queue, queue.queue, low, low]


def weighted_order_starves_nobody(queue: QueueHarness) -> None:
    """With one slot and a hundred tasks each, the lower queue gets some of the first hundred: so many that chance does not decide."""
    low = f"{queue.queue}-low"
    queue.enqueue_many(100)
    queue.broker.producing.enqueue([queue.request(queue=low) for _ in range(100)])
    worker = queue.worker(capacity=1, queues={queue.queue: 3, low: 1})

    taken = []
    for _ in range(100):
        lease = worker.take_one()
        taken.append(lease.queue)
        worker.done(lease)

    assert 0 < taken.count(low) < taken.count(queue.queue)


class _Hearer:
    """Who hears how long tasks had waited."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, list[float]]] = []

    def waited(self, queue: str, count: int, waits_s: Sequence[float]) -> None:
        self.heard.append((queue, count, list(waits_s)))


@passes(7)
def who_measures_hears_how_long_tasks_had_waited(queue: QueueHarness) -> None:
    """Some of many stand for all: the first and the last are among them. A batch may come in parts."""
    first = queue.enqueue()
    queue.pass_s(7)
    ids = [first, *queue.enqueue_many(19)]
    hearer = _Hearer()
    intake = queue.broker.consuming.open_intake(QueueOrder(weights={queue.queue: 1}), 20, "measured", hearer)
    taken: list[str] = []

    def are_taken() -> bool:
        taken.extend(lease.task_id for lease in intake.take(0.2))
        return len(taken) == len(ids)

    queue.wait_until(are_taken, "twenty tasks", lambda: taken)
    intake.close()

    assert {name for name, _, _ in hearer.heard} == {queue.queue}
    assert sum(count for _, count, _ in hearer.heard) == 20
    waits_s = [wait_s for _, _, waits_s in hearer.heard for wait_s in waits_s]
    assert len([wait_s for wait_s in waits_s if 6.5 <= wait_s <= 8.5]) == 1
    assert all(0 <= wait_s <= 1.5 for wait_s in waits_s if wait_s < 6.5)
    assert all(len(waits_s) == min(count, SAMPLES_MAX) for _, count, waits_s in hearer.heard)
