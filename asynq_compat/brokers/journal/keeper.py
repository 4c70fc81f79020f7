"""When must somebody tell an idle journal what time it is?

Contract: pure; owned by the replica's thread. Instants are seconds of the caller's monotonic clock, timestamps the journal's own
milliseconds. Only a keeper of low rank writes; a higher rank waits longer, and any entry makes its tick unnecessary.
Not obvious: the broker's clock is never asked for. It is estimated from the entries: an entry is read after it was stamped, so the
largest difference ever seen is the closest.
"""

from __future__ import annotations

# docs/journal.md: rank r waits r x 200 ms longer; a tick that made nothing due backs off up to 1 s.
RANK_S = 0.2
_BACKOFF_S_MIN, _BACKOFF_S_MAX = 0.05, 1.0


class TickTimer:
    """Says when a tick is due."""

    def __init__(self, now_s: float) -> None:
        self._offset_ms: float | None = None
        self._blocked_until_s = now_s
        self._backoff_s = _BACKOFF_S_MIN
        self._ticked_for_ms: int | None = None

    def observe(self, timestamp_ms: int, now_s: float) -> None:
        """Note an entry that was just read."""
        sample_ms = timestamp_ms - now_s * 1000
        is_answer = self._ticked_for_ms is not None
        if self._offset_ms is None or sample_ms > self._offset_ms or is_answer:
            self._offset_ms = sample_ms

    def settle_due(self, next_due_ms: int | None) -> None:
        """Note what is due next after entries were applied: a tick that changed nothing backs off."""
        if self._ticked_for_ms is None:
            return
        if next_due_ms == self._ticked_for_ms:
            self._backoff_s = min(self._backoff_s * 2, _BACKOFF_S_MAX)
        else:
            self._backoff_s = _BACKOFF_S_MIN
            self._blocked_until_s = 0.0
        self._ticked_for_ms = None

    def next_tick_at_s(self, *, next_due_ms: int | None, rank: int) -> float | None:
        """Return when to write a tick if nothing else comes; None: never."""
        if next_due_ms is None or self._offset_ms is None:
            return None
        return max((next_due_ms - self._offset_ms) / 1000 + rank * RANK_S, self._blocked_until_s)

    def ticked(self, next_due_ms: int | None, now_s: float) -> None:
        """Note that a tick was written just now; while one before it is still on its way, the next waits longer."""
        if self._ticked_for_ms is not None:
            self._backoff_s = min(self._backoff_s * 2, _BACKOFF_S_MAX)
        self._ticked_for_ms = next_due_ms
        self._blocked_until_s = now_s + self._backoff_s
