"""Which duties keep a queue going, and who has to do them?

Contract: each is safe to run in many processes at once. `Broker.duties` says which of them this broker leaves to the engine: on a
journal time passes inside the machine, so only expired leases are left, since the user's retry function decides about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from asynq_compat.ports.consuming import Lease, Settlement, SettleOutcome


class Duty(Enum):
    """A background duty that an engine may have to run."""

    FORWARD = "forward"
    RECOVER = "recover"
    EXPIRE_COMPLETED = "expire_completed"


class Maintaining(Protocol):
    """What forwarder, recoverer and janitor ask of a broker. Thread-safe."""

    def forward_due(self, queues: Sequence[str]) -> int:
        """Make every scheduled or retried task pending whose time has come; return how many."""

    def delete_expired_completed(self, queues: Sequence[str], batch_size: int) -> int:
        """Delete completed tasks whose retention is over, `batch_size` at a time until none is left; return how many."""

    def expired_leases(self, queues: Sequence[str]) -> Sequence[Lease]:
        """Return the tasks whose worker is gone and that this process should settle now."""

    def settle_expired(self, settlements: Sequence[Settlement]) -> Sequence[SettleOutcome]:
        """Settle tasks that `expired_leases` gave (RETRY or ARCHIVE): one outcome each, same order."""
