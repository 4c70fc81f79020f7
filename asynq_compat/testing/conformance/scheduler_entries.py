"""How does a scheduler make its periodic tasks known, and how do they vanish again?

Source: docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes
from asynq_compat.wire.schedule import SchedulerEntry


def _entry(queue: QueueHarness, number: int) -> SchedulerEntry:
    return SchedulerEntry(
        id=f"{queue.queue}-{number}",
        spec="@every 1h",
        task_type="report",
        task_payload=b"\xff payload",
        enqueue_options=('Queue("low")', "MaxRetry(3)"),
        next_enqueue_time_ns=queue.clock.now_ns() + number,
        prev_enqueue_time_ns=queue.clock.now_ns() - number,
    )


def _listed(queue: QueueHarness) -> Sequence[SchedulerEntry]:
    """What is known of this scenario's schedulers."""
    return [one for one in queue.broker.scheduling.entries() if one.id.startswith(queue.queue)]


def they_are_listed_with_all_that_was_told_the_last_one_first(queue: QueueHarness) -> None:
    """As Go lists them."""
    scheduling, told = queue.broker.scheduling, [_entry(queue, number) for number in (1, 2, 3)]

    scheduling.write_entries(f"host:1:{queue.queue}", told, 20)

    assert _listed(queue) == told[::-1]
    scheduling.clear_entries(f"host:1:{queue.queue}")


def a_heartbeat_replaces_the_one_before(queue: QueueHarness) -> None:
    """Entries that are gone vanish; others' stay."""
    scheduling = queue.broker.scheduling
    scheduling.write_entries(f"host:1:{queue.queue}", [_entry(queue, 1), _entry(queue, 2)], 20)
    scheduling.write_entries(f"host:2:{queue.queue}", [_entry(queue, 3)], 20)

    scheduling.write_entries(f"host:1:{queue.queue}", [_entry(queue, 4)], 20)

    assert sorted(one.id for one in _listed(queue)) == [f"{queue.queue}-3", f"{queue.queue}-4"]
    for number in (1, 2):
        scheduling.clear_entries(f"host:{number}:{queue.queue}")


def a_scheduler_withdraws_them(queue: QueueHarness) -> None:
    """Also what is not there: it may have run out by itself."""
    scheduling = queue.broker.scheduling
    scheduling.write_entries(f"host:1:{queue.queue}", [_entry(queue, 1)], 20)

    scheduling.clear_entries(f"host:1:{queue.queue}")
    scheduling.clear_entries(f"host:1:{queue.queue}")

    assert _listed(queue) == []


def a_scheduler_without_entries_is_legal(queue: QueueHarness) -> None:
    """It may get some later."""
    scheduling = queue.broker.scheduling

    scheduling.write_entries(f"host:1:{queue.queue}", [], 20)

    assert _listed(queue) == []
    scheduling.clear_entries(f"host:1:{queue.queue}")


@passes(21)
def they_vanish_when_nobody_renews_them(queue: QueueHarness) -> None:
    """A scheduler that crashed is forgotten."""
    queue.broker.scheduling.write_entries(f"host:1:{queue.queue}", [_entry(queue, 1)], 20)
    queue.pass_s(19)
    assert len(_listed(queue)) == 1

    queue.pass_s(2)

    assert _listed(queue) == []
