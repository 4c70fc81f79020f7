"""Until when is a lease ours?

Contract: one term for all leases taken or extended together. Thread-safe: one assignment moves it.
Source: docs/semantics.md, "leases": valid while now <= expiry, in full precision; the stored score is cut to seconds.
"""

from __future__ import annotations

from asynq_compat.rules.clock import Clock

# Asynq's LeaseDuration, and what its recoverer waits beyond it.
LEASE_NS = 30 * 1_000_000_000
TOLERANCE_NS = 30 * 1_000_000_000


class WallClockTerm:
    """Valid up to an instant of the broker's clock."""

    __slots__ = ("_clock", "expires_at_ns")

    def __init__(self, clock: Clock, expires_at_ns: int) -> None:
        self._clock = clock
        self.expires_at_ns = expires_at_ns

    def is_valid(self) -> bool:
        """Return True while nobody else can have been given the tasks."""
        return self._clock.now_ns() <= self.expires_at_ns
