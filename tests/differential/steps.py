"""What may happen to a queue?

Contract: a `Step` is a transition's name and a seed; everything else about it (which task, how long, how it failed) is drawn from the seed
when it is carried out, among what is there by then. So a list of steps can be shortened and stays meaningful.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

# What a step becomes when a failing sequence is shortened.
NOTHING = "nothing"
LENGTH = 50
_SEED_MAX = 2**20

# Every transition and how often it is drawn. The names are those of the machine, the Lua files and the conformance suite.
WEIGHTS = {
    "enqueue": 6,
    "enqueue_unique": 5,
    "enqueue_scheduled": 4,
    "enqueue_scheduled_unique": 3,
    "take": 10,
    "settle": 10,
    "lock_goes_to_another": 4,
    "extend": 3,
    "write_result": 4,
    "let_time_pass": 6,
    "recover": 4,
    "run_task": 3,
    "archive_task": 3,
    "delete_task": 3,
    "run_all": 2,
    "archive_all": 2,
    "delete_all": 2,
    "update_payload": 2,
    "pause_queue": 1,
    "unpause_queue": 3,
    "list_tasks": 2,
    "queue_stats": 2,
}
# What only Redis brokers have: groups, what a server tells, a signal without memory, a ghost.
REDIS_WEIGHTS = {
    "enqueue_grouped": 3,
    "enqueue_grouped_unique": 3,
    "server_state": 2,
    "publish_cancelation": 2,
    "scheduler_entries": 3,
    "scheduler_history": 3,
    "write_result_late": 1,
}
# What Go's Inspector and ours are asked, on queues with tasks in all states.
INSPECTOR_WEIGHTS = {
    "enqueue": 6,
    "enqueue_unique": 3,
    "enqueue_scheduled": 5,
    "enqueue_scheduled_unique": 2,
    "enqueue_grouped": 4,
    "enqueue_grouped_unique": 2,
    "take": 8,
    "settle": 8,
    "write_result_late": 1,
    "let_time_pass": 4,
    "server_state": 3,
    "pause_queue": 1,
    "inspector_reads": 10,
    "inspector_changes": 9,
    "inspector_bulk": 12,
    "inspector_delete_queue": 3,
}
# What becomes of groups, on Redis brokers: little else, so that sets are made, finished, too late, and given up.
GROUP_WEIGHTS = {
    "enqueue": 4,
    "enqueue_grouped": 12,
    "enqueue_grouped_unique": 4,
    "enqueue_scheduled": 1,
    "aggregate": 10,
    "delete_set": 4,
    "reclaim_sets": 4,
    "list_groups": 4,
    "queue_stats": 2,
    "let_time_pass": 5,
    "take": 4,
    "settle": 4,
    "run_task": 3,
    "archive_task": 2,
    "delete_task": 2,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence."""

    name: str
    seed: int


def sequences(weights: dict[str, int]) -> st.SearchStrategy[list[Step]]:
    """Return lists of steps, as often as their weights say."""
    step = st.builds(Step, st.sampled_from([NOTHING, *_names(weights)]), st.integers(0, _SEED_MAX))
    return st.lists(step, min_size=LENGTH, max_size=LENGTH)


def sequence(weights: dict[str, int], random: Random) -> list[Step]:
    """Return one list of steps, which nothing but `random` decides."""
    names = _names(weights)
    return [Step(random.choice(names), random.randint(0, _SEED_MAX)) for _ in range(LENGTH)]


def _names(weights: dict[str, int]) -> list[str]:
    return [name for name, weight in weights.items() for _ in range(weight)]
