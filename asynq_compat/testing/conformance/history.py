"""What is known of the days before?

Source: docs/semantics.md, "inspector reads".
"""

from __future__ import annotations

from datetime import timedelta

from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes

DAY_S = 86_400


def today_comes_first(queue: QueueHarness) -> None:
    """And a queue has as many days as are asked for."""
    queue.finish()
    queue.fail()
    queue.bury()

    days = queue.broker.inspecting.history(queue.queue, 3)

    assert days is not None
    assert [(day.processed, day.failed) for day in days] == [(3, 2), (0, 0), (0, 0)]
    assert [days[0].at - day.at for day in days] == [timedelta(days=number) for number in range(3)]


@passes(2 * DAY_S)
def each_day_has_its_own_counts(queue: QueueHarness) -> None:
    """Also when nothing came to an end since."""
    queue.fail(delay_s=10 * DAY_S)
    queue.pass_s(DAY_S)
    queue.finish(retention=10 * DAY_S)
    queue.pass_s(DAY_S)

    days = queue.broker.inspecting.history(queue.queue, 4)

    assert days is not None
    assert [(day.processed, day.failed) for day in days] == [(0, 0), (1, 0), (1, 1), (0, 0)]


def an_unknown_queue_has_no_history(queue: QueueHarness) -> None:
    """It is not the same as a quiet one."""
    assert queue.broker.inspecting.history(queue.queue, 3) is None
