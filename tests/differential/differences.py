"""In what does the machine differ from Go on purpose?

Contract: each difference has a name here and is made good by the test, on both databases, right after it was seen: so it is proven to
occur, and nothing else may differ. docs/semantics.md says for each why the journal is better.
"""

from __future__ import annotations

from enum import Enum


class Difference(Enum):
    """What a journal does better than Redis can while Go shares it."""

    # G4: Go leaves the lock of a refused task behind; the machine takes no lock for a task that it does not store.
    LOCK_LEFT_BY_ID_CONFLICT = "a unique task refused for its id leaves no lock"
    # Go's forwarder has to come by; in the machine time passes with every entry. The test lets the forwarder come at once.
    TIME_PASSES_BY_ITSELF = "due tasks become pending, expired completed ones vanish without anybody's duty"
    # G37: who finishes a set that was given up aggregates its tasks twice; in the machine it comes too late. The test lets nobody come late.
    NOTHING_IS_AGGREGATED_TWICE = "a set whose time is over is not finished"
    # G12: whoever knows the id settles an active task; the machine asks for the assignment.
    STALE_LEASE_SETTLES_NOTHING = "a lease that was settled settles nothing, though the task is active again"
    # Go deletes all pending tasks without looking at their locks; the machine frees them, as where one task is deleted.
    LOCKS_OF_DELETED_PENDING_TASKS = "deleting all pending tasks frees their locks"
