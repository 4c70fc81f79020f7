"""How often is a firing made that several schedulers make?

Source: docs/semantics.md, "fire".
"""

from __future__ import annotations

from asynq_compat.ports.producing import EnqueueOutcome, EnqueueStatus
from asynq_compat.ports.scheduling import FIRING_LATE_S_MAX, Firing, NotFired
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def _firing(queue: QueueHarness, holder: str, *, in_s: int = 0, entry: str = "hourly") -> Firing:
    return Firing(f"{queue.queue}-{entry}", queue.clock.now_s() + in_s, holder)


def the_first_makes_it_and_the_others_learn_that(queue: QueueHarness) -> None:
    """One task, however many schedulers there are."""
    request, firing = queue.request(), _firing(queue, "first")
    fire = queue.broker.scheduling.fire

    assert fire(request, firing) is EnqueueStatus.ENQUEUED
    assert fire(request, _firing(queue, "second")) is NotFired.ELSEWHERE
    assert fire(request, _firing(queue, "third")) is NotFired.ELSEWHERE

    assert queue.listed(TaskState.PENDING) == [request.task_id]
    assert queue.queue in queue.broker.inspecting.queues()


def who_asks_again_is_told_the_same(queue: QueueHarness) -> None:
    """Its first answer may have been lost."""
    request, firing = queue.request(), _firing(queue, "first")

    outcomes = [queue.broker.scheduling.fire(request, firing) for _ in range(3)]

    assert outcomes == [EnqueueStatus.ENQUEUED] * 3
    assert queue.listed(TaskState.PENDING) == [request.task_id]


def it_stays_made_when_its_task_is_done(queue: QueueHarness) -> None:
    """A scheduler that comes late finds no task, and makes none."""
    request, fire = queue.request(), queue.broker.scheduling.fire
    assert fire(request, _firing(queue, "first")) is EnqueueStatus.ENQUEUED
    queue.with_worker(lambda worker: worker.done(*worker.take(1)))

    assert fire(request, _firing(queue, "slept")) is NotFired.ELSEWHERE
    assert fire(request, _firing(queue, "first")) is EnqueueStatus.ENQUEUED

    assert queue.listed(TaskState.PENDING) == []


def each_instant_and_each_entry_is_a_firing(queue: QueueHarness) -> None:
    """Also an instant before the last."""
    fire = queue.broker.scheduling.fire
    firings = [
        _firing(queue, "first"),
        _firing(queue, "second", in_s=60),
        _firing(queue, "third", in_s=30),
        _firing(queue, "first", entry="daily"),
    ]

    assert [fire(queue.request(), firing) for firing in firings] == [EnqueueStatus.ENQUEUED] * 4

    assert queue.stats().pending == 4


def a_task_of_any_kind_can_be_fired(queue: QueueHarness) -> None:
    """Scheduled, unique, and in a group."""
    fire = queue.broker.scheduling.fire
    later, unique = queue.request(in_s=60), queue.request("unique", unique_ttl_s=60)
    grouped = queue.request("grouped", group="g")

    assert fire(later, _firing(queue, "first")) is EnqueueStatus.ENQUEUED
    assert fire(unique, _firing(queue, "first", entry="unique")) is EnqueueStatus.ENQUEUED
    assert fire(grouped, _firing(queue, "first", entry="grouped")) is EnqueueStatus.ENQUEUED

    assert queue.listed(TaskState.SCHEDULED) == [later.task_id]
    assert queue.listed(TaskState.PENDING) == [unique.task_id]
    assert queue.grouped("g") == [grouped.task_id]


def a_firing_whose_task_is_refused_is_made(queue: QueueHarness) -> None:
    """So one scheduler tells of it, and the task does not come when the lock is free."""
    fire = queue.broker.scheduling.fire
    held = queue.request("unique", unique_ttl_s=60)
    queue.send(held)
    refused = queue.request("unique", unique_ttl_s=60)

    outcomes: list[EnqueueOutcome | NotFired] = [fire(refused, _firing(queue, "first")) for _ in range(2)]
    queue.with_worker(lambda worker: worker.done(*worker.take(1)))

    assert outcomes == [EnqueueStatus.DUPLICATE] * 2
    assert fire(queue.request("unique", unique_ttl_s=60), _firing(queue, "second")) is NotFired.ELSEWHERE
    assert queue.listed(TaskState.PENDING) == []


def an_id_that_is_taken_is_told(queue: QueueHarness) -> None:
    """Where the user chose it."""
    task_id = queue.enqueue(task_id="chosen")

    outcome = queue.broker.scheduling.fire(queue.request(task_id=task_id), _firing(queue, "first"))

    assert outcome is EnqueueStatus.ID_CONFLICT


def one_whose_clock_is_ahead_takes_nothing_from_the_others(queue: QueueHarness) -> None:
    """It fires its own instants early; those before are theirs."""
    fire = queue.broker.scheduling.fire

    assert fire(queue.request(), _firing(queue, "ahead", in_s=2 * FIRING_LATE_S_MAX)) is EnqueueStatus.ENQUEUED
    assert fire(queue.request(), _firing(queue, "right")) is EnqueueStatus.ENQUEUED
    assert fire(queue.request(), _firing(queue, "right", in_s=2 * FIRING_LATE_S_MAX)) is NotFired.ELSEWHERE


@passes(FIRING_LATE_S_MAX + 60)
def it_can_be_made_up_for_but_not_for_ever(queue: QueueHarness) -> None:
    """Who slept for too long is refused, whether the firing was made or not."""
    fire = queue.broker.scheduling.fire
    missed, late = _firing(queue, "slept"), _firing(queue, "slept", in_s=60)
    queue.pass_s(FIRING_LATE_S_MAX - 60)
    assert fire(queue.request(), late) is EnqueueStatus.ENQUEUED
    queue.pass_s(120)
    assert fire(queue.request(), _firing(queue, "awake")) is EnqueueStatus.ENQUEUED

    assert fire(queue.request(), missed) is NotFired.TOO_LATE

    assert queue.stats().pending == 2
