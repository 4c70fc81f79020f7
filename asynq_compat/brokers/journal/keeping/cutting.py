"""What may be cut once a checkpoint is confirmed?

Contract: behind a confirmed checkpoint a journal is cut below the marker accepted before it, and the journal of checkpoints below what
these two need: so at any moment two checkpoints are whole and have everything behind them. Only who has just seen its own checkpoint
confirmed cuts. Yields after each step, as checkpointing.
Not obvious: the entry at a checkpoint's position stays: it tells whose checkpoint it is. Whoever comes late cuts less, never more.
"""

from __future__ import annotations

from collections.abc import Iterator

from asynq_compat.journals.journal import Journal
from asynq_compat.machine.applied import Marker
from asynq_compat.wire.checkpoint import Confirmed

JOURNAL_CUT, STATE_CUT = "journal cut", "state cut"


def cut(
    journal: Journal, state: Journal, confirmed: Confirmed, before: Marker | None, stays_from: int
) -> Iterator[str]:
    """Cut both journals.

    Args:
        journal: The journal.
        state: That of its checkpoints.
        confirmed: The checkpoint that was just confirmed.
        before: The marker accepted before its own; None if it is the first.
        stays_from: Nothing at or behind this position goes.

    Raises:
        BrokerUnavailableError: A journal does not answer; the next checkpoint cuts.
    """
    if before is None:
        return
    journal.truncate(min(before.position, confirmed.position, stays_from))
    yield JOURNAL_CUT
    state.truncate(min(before.first_chunk, confirmed.first_chunk))
    yield STATE_CUT
