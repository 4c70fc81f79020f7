"""What do a queue's counts count?

Source: docs/semantics.md, "inspector reads" and "numbers".
"""

from __future__ import annotations

from datetime import timedelta

from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes

DAY_S = 86_400


def each_state_is_counted(queue: QueueHarness) -> None:
    """And every task in one of them alone."""
    queue.finish()
    queue.fail()
    queue.bury()
    queue.enqueue(in_s=600)
    queue.enqueue()
    queue.worker(capacity=1).take_one()
    queue.enqueue_many(2)

    stats = queue.stats()
    assert stats.queue == queue.queue
    assert (stats.pending, stats.active, stats.scheduled, stats.retry) == (2, 1, 1, 1)
    assert (stats.archived, stats.completed, stats.aggregating, stats.groups) == (1, 1, 0, 0)
    assert (stats.processed, stats.failed, stats.processed_total, stats.failed_total) == (3, 2, 3, 2)
    assert not stats.paused
    assert stats.memory_usage > 0


@passes(2 * DAY_S)
def a_new_utc_day_counts_from_zero(queue: QueueHarness) -> None:
    """The totals go on."""
    queue.finish(retention=10 * DAY_S)
    queue.fail(delay_s=10 * DAY_S)

    queue.pass_s(DAY_S)

    stats = queue.stats()
    assert (stats.processed, stats.failed, stats.processed_total, stats.failed_total) == (0, 0, 2, 1)


@passes(3)
def latency_is_the_wait_of_the_next_task(queue: QueueHarness) -> None:
    """Zero when none waits."""
    queue.enqueue()
    queue.pass_s(2)
    queue.enqueue()
    queue.pass_s(1)

    assert timedelta(seconds=3) <= queue.stats().latency < timedelta(seconds=4)
    queue.worker().take(2)
    assert queue.stats().latency == timedelta(0)


def an_unknown_queue_has_no_counts(queue: QueueHarness) -> None:
    """It is not the same as an empty one."""
    assert queue.broker.inspecting.queue_stats(queue.queue) is None


def an_emptied_queue_is_still_known(queue: QueueHarness) -> None:
    """Its counters are worth something."""
    queue.enqueue()
    worker = queue.worker()
    worker.done(worker.take_one())

    assert queue.queue in queue.broker.inspecting.queues()
    assert queue.stats().processed_total == 1


def queues_are_listed_by_name(queue: QueueHarness) -> None:
    """Sorted, each once."""
    names = [f"{queue.queue}-{suffix}" for suffix in ("b", "a")]
    for name in (*names, *names):
        queue.enqueue(queue=name)

    listed = list(queue.broker.inspecting.queues())

    assert listed == sorted(set(listed))
    assert set(names) <= set(listed)
