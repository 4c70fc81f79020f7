"""In what may brokers lawfully differ?

Contract: each difference has a name, and every scenario that meets it asserts one side or the other; nothing is left open. Redis keeps
what another process on the same Redis can see of Go; a journal is better where it can be (docs/journal.md, docs/semantics.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTraits:
    """The lawful differences.

    Attributes:
        has_virtual_time: The broker's time is the clock it was opened with, so that an hour passes at once.
        keeps_lock_on_id_conflict: A unique task refused for its id leaves its lock behind (G4).
        counts_unstarted_as_taken: A lost worker's tasks all count as tried; otherwise only those that it had started do.
        leaves_traces_of_trimmed_tasks: What the archive has no room for when an operator archives still blocks its id (G2).
        keeps_locks_of_deleted_pending_tasks: Deleting all pending or grouped tasks frees none of their locks.
        keeps_part_of_a_removed_queue: Completed and grouped tasks, the pause, counters and locks stay (G21).
        groups_as_go: A delayed task forgets its group (G6), a group whose set came to nothing is not listed (G8), and what is aggregated, or
            deleted by hand while it waits in a group, keeps its lock until that ends (G5).
        is_one_order: A queue is one order of tasks, one set of ids and one archive; otherwise each of its partitions is.
    """

    has_virtual_time: bool
    keeps_lock_on_id_conflict: bool
    counts_unstarted_as_taken: bool
    leaves_traces_of_trimmed_tasks: bool
    keeps_locks_of_deleted_pending_tasks: bool
    keeps_part_of_a_removed_queue: bool
    groups_as_go: bool
    is_one_order: bool = True


REDIS = BrokerTraits(
    has_virtual_time=True,
    keeps_lock_on_id_conflict=True,
    counts_unstarted_as_taken=True,
    leaves_traces_of_trimmed_tasks=True,
    keeps_locks_of_deleted_pending_tasks=True,
    keeps_part_of_a_removed_queue=True,
    groups_as_go=True,
)
JOURNAL = BrokerTraits(
    has_virtual_time=True,
    keeps_lock_on_id_conflict=False,
    counts_unstarted_as_taken=False,
    leaves_traces_of_trimmed_tasks=False,
    keeps_locks_of_deleted_pending_tasks=False,
    keeps_part_of_a_removed_queue=False,
    groups_as_go=False,
)
PARTITIONED_JOURNAL = replace(JOURNAL, is_one_order=False)
