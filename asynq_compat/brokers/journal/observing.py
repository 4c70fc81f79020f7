"""How far is this process with the journals that it follows?

Contract: as `ports.observing`. Follows nothing that was not followed before.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.brokers.journal.following.followed import Control, Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.ports.observing import JournalState


class JournalObserving:
    """The observing port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def journals(self) -> Sequence[JournalState]:
        """Return the journals that this process follows, by name."""
        return sorted((self._state(one) for one in self._partitions.followed()), key=lambda state: state.journal)

    def _state(self, one: Control | Partition) -> JournalState:
        replica = one.replica
        with replica.lock:
            last = replica.last
        behind = max(one.journal.end() - (-1 if last is None else last.position), 0)
        now_ms = self._partitions.clock.now_ns() // 1_000_000
        marked_ms = replica.tail.marked_ms
        return JournalState(
            journal=one.journal.name,
            behind=behind,
            lag_s=max(now_ms - last.timestamp_ms, 0) / 1000 if behind and last is not None else 0.0,
            tail_bytes=replica.tail.size_bytes,
            checkpoint_age_s=None if marked_ms is None else max(now_ms - marked_ms, 0) / 1000,
        )
