"""Are Go's rdb, our Redis broker and the machine one and the same queue?

Not obvious: each sequence goes on where the clock of the last one stood, so that a run covers months.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.differential import inspector
from tests.differential.differences import Difference
from tests.differential.steps import GROUP_WEIGHTS, INSPECTOR_WEIGHTS, REDIS_WEIGHTS, WEIGHTS, Step, sequences
from tests.differential.transitions import carry_out
from tests.differential.world import Ground, World
from tests.proofs import steps_executed

# In CI each transition has to be executed at least so often, and each difference has to be seen.
EXECUTIONS_MIN = 50
ROUNDS_MAX = 8
EXAMPLES = 150 if os.environ.get("CI") else 60

COVERED = (
    "enqueue",
    "enqueue_unique",
    "enqueue_scheduled",
    "enqueue_scheduled_unique",
    "take",
    "settle_done",
    "settle_complete",
    "settle_retry",
    "settle_archive",
    "settle_requeue",
    "extend",
    "write_result",
    "forward_due",
    "delete_expired_completed",
    "expired_leases",
    "settle_expired",
    "run_task",
    "archive_task",
    "delete_task",
    "run_all",
    "archive_all",
    "delete_all",
    "update_payload",
    "pause_queue",
    "unpause_queue",
    "list_tasks",
    "queue_stats",
)
COVERED_ON_REDIS = (
    *("enqueue_grouped", "enqueue_grouped_unique", "write_server_state", "publish_cancelation"),
    *("write_scheduler_entries", "record_enqueue_event"),
)
COVERED_BY_INSPECTORS = tuple(f"inspector.{operation}" for operation in inspector.OPERATIONS)
COVERED_OF_GROUPS = (
    "enqueue_grouped",
    "enqueue_grouped_unique",
    "aggregate: made",
    "delete_set: EnqueueStatus.ENQUEUED",
    "reclaim_sets: some",
    "list_groups: some",
)


def _check(ground: Ground, weights: dict[str, int], round_number: int, *, with_machine: bool) -> None:
    @_seeded(round_number)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(sequences(weights))
    def agree(steps: list[Step]) -> None:
        world = World(ground, with_machine=with_machine)
        try:
            world.run(steps, carry_out)
        finally:
            world.close()

    agree()


def _seeded(round_number: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """In CI, where Hypothesis would draw the same sequences in each round, let each have its own."""
    return seed(round_number) if os.environ.get("CI") else lambda test: test


def _check_and_count(
    ground: Ground,
    weights: dict[str, int],
    covered: tuple[str, ...],
    record_property: Callable[[str, object], None],
    *,
    with_machine: bool,
    differences: tuple[Difference, ...] = (),
) -> None:
    """Run sequences until, in CI, each transition was executed often enough; show how often it was."""
    least = dict.fromkeys(covered, EXECUTIONS_MIN) | {one.value: 1 for one in differences}
    for round_number in range(ROUNDS_MAX):
        _check(ground, weights, round_number, with_machine=with_machine)
        seldom = [name for name, count in least.items() if ground.coverage[name] < count]
        if not seldom or not os.environ.get("CI"):
            break
    by = "Go, Redis and the machine" if with_machine else "Go and Redis"
    record_property(*steps_executed(by, ground.coverage))
    # A few hundred random steps may miss some: without CI nobody waits for them.
    assert not seldom or not os.environ.get("CI"), f"executed less than {EXECUTIONS_MIN} times, or never seen: {seldom}"


@pytest.mark.timeout(900)
def test_go_redis_and_the_machine_agree(ground: Ground, record_property: Callable[[str, object], None]) -> None:
    differences = (Difference.LOCK_LEFT_BY_ID_CONFLICT, Difference.LOCKS_OF_DELETED_PENDING_TASKS)
    _check_and_count(ground, WEIGHTS, COVERED, record_property, with_machine=True, differences=differences)


@pytest.mark.timeout(900)
def test_go_and_redis_agree_on_what_only_redis_has(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    """Groups, late duties, servers, cancellations, a lease that is settled again, a result for a task that is gone."""
    _check_and_count(ground, WEIGHTS | REDIS_WEIGHTS, COVERED + COVERED_ON_REDIS, record_property, with_machine=False)


@pytest.mark.timeout(900)
def test_go_s_inspector_and_ours_agree(ground: Ground, record_property: Callable[[str, object], None]) -> None:
    """Answers, refusals to the word, and what stands in Redis afterwards."""
    _check_and_count(ground, INSPECTOR_WEIGHTS, COVERED_BY_INSPECTORS, record_property, with_machine=False)


@pytest.mark.timeout(900)
def test_go_and_redis_agree_on_groups(ground: Ground, record_property: Callable[[str, object], None]) -> None:
    """Sets that are made, finished, finished too late, given up; what happens to one task of a group, and what is left behind."""
    _check_and_count(ground, GROUP_WEIGHTS, COVERED_OF_GROUPS, record_property, with_machine=False)


@pytest.mark.timeout(900)
def test_go_redis_and_the_machine_agree_on_groups(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    """But for unique ones, whose locks the machine frees when their tasks are aggregated or deleted (G5)."""
    weights = {name: weight for name, weight in GROUP_WEIGHTS.items() if name != "enqueue_grouped_unique"}
    covered = tuple(
        name for name in COVERED_OF_GROUPS if name != "enqueue_grouped_unique" and name != "reclaim_sets: some"
    )
    _check_and_count(ground, weights, covered, record_property, with_machine=True)
