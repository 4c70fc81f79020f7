"""What does a broker remember of what a periodic task enqueued?

Source: docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

from asynq_compat.ports.scheduling import HISTORY_COUNT_MAX
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.wire.schedule import SchedulerEnqueueEvent

_NS = 1_000_000_000


def _note(queue: QueueHarness, count: int) -> list[SchedulerEnqueueEvent]:
    """Note so many events, a second apart; return them, the newest first."""
    events = [
        SchedulerEnqueueEvent(task_id=f"t{number}", enqueue_time_ns=queue.clock.now_ns() + number * _NS)
        for number in range(count)
    ]
    for event in events:
        queue.broker.scheduling.record_enqueue_event(queue.queue, event)
    return events[::-1]


def they_are_listed_the_newest_first_in_pages(queue: QueueHarness) -> None:
    """As Go lists them."""
    scheduling, newest_first = queue.broker.scheduling, _note(queue, 5)

    assert scheduling.enqueue_events(queue.queue, start=0, count=None) == newest_first
    assert scheduling.enqueue_events(queue.queue, start=0, count=2) == newest_first[:2]
    assert scheduling.enqueue_events(queue.queue, start=4, count=2) == newest_first[4:]
    assert scheduling.enqueue_events(queue.queue, start=5, count=2) == []
    assert scheduling.enqueue_events(queue.queue, start=1, count=None) == newest_first[1:]
    assert scheduling.enqueue_events(queue.queue, start=0, count=0) == []


def an_unknown_entry_has_none(queue: QueueHarness) -> None:
    """It is no error."""
    assert queue.broker.scheduling.enqueue_events(queue.queue, start=0, count=30) == []


def each_entry_has_its_own(queue: QueueHarness) -> None:
    """Clearing one leaves the others."""
    scheduling, newest_first = queue.broker.scheduling, _note(queue, 2)
    other = SchedulerEnqueueEvent(task_id="other", enqueue_time_ns=queue.clock.now_ns())
    scheduling.record_enqueue_event(f"{queue.queue}-other", other)

    scheduling.clear_history(f"{queue.queue}-other")
    scheduling.clear_history(f"{queue.queue}-other")

    assert scheduling.enqueue_events(f"{queue.queue}-other", start=0, count=None) == []
    assert scheduling.enqueue_events(queue.queue, start=0, count=None) == newest_first


def the_newest_thousand_stay(queue: QueueHarness) -> None:
    """As in Go."""
    newest_first = _note(queue, HISTORY_COUNT_MAX + 3)

    assert queue.broker.scheduling.enqueue_events(queue.queue, start=0, count=None) == newest_first[:HISTORY_COUNT_MAX]
