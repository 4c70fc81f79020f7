"""How does a scenario work on tasks?

Contract: the words of an intake: take, settle, renew. Every wait has a deadline in real time whose message shows what was seen.
"""

from __future__ import annotations

import time

from asynq_compat.ports.consuming import Ended, Intake, Lease, SettleKind, Settlement, SettleOutcome, lease_of

# So long that a busy machine has no say.
GIVE_UP_AFTER_S = 60.0


class Worker:
    """One server's intake, with the words of a scenario."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.held: list[Lease] = []
        self.is_alive = True

    def take(self, count: int = 1) -> list[Lease]:
        """Return the next `count` leases, all marked as started."""
        leases = self.take_unstarted(count)
        for lease in leases:
            lease.has_started = True
        return leases

    def take_unstarted(self, count: int = 1) -> list[Lease]:
        """Return the next `count` leases; no handler has seen them."""
        taken: list[Lease] = []
        deadline_s = time.monotonic() + GIVE_UP_AFTER_S
        while len(taken) < count and time.monotonic() < deadline_s:
            taken += self.intake.take(0.5)
        assert len(taken) == count, f"asked for {count} tasks, got {[lease.task_id for lease in taken]}"
        self.held += taken
        return taken

    def take_one(self) -> Lease:
        """Return the next lease, marked as started."""
        return self.take(1)[0]

    def is_given_nothing(self, wait_s: float = 0.1) -> bool:
        """Return True when `take` comes back empty."""
        extra = self.intake.take(wait_s)
        self.held += extra
        return not extra

    def settle(self, *settlements: Ended) -> list[SettleOutcome]:
        """Settle and free the slots; a lease by itself is done."""
        gone = [lease_of(settlement) for settlement in settlements]
        self.held = [lease for lease in self.held if lease not in gone]
        return list(self.intake.settle(settlements, len(settlements)))

    def settle_as(self, kind: SettleKind, *leases: Lease) -> list[SettleOutcome]:
        """Settle `leases` in one call, all in the same way."""
        return self.settle(*(Settlement(lease, kind) for lease in leases))

    def done(self, *leases: Lease) -> list[SettleOutcome]:
        """Settle as done."""
        return self.settle(*leases)

    def complete(self, *leases: Lease) -> list[SettleOutcome]:
        """Settle as completed and kept."""
        return self.settle_as(SettleKind.COMPLETE, *leases)

    def requeue(self, *leases: Lease) -> list[SettleOutcome]:
        """Give back, next in line."""
        return self.settle_as(SettleKind.REQUEUE, *leases)

    def retry(
        self, lease: Lease, *, delay_s: float = 60, error_msg: str = "boom", is_failure: bool = True
    ) -> SettleOutcome:
        """Settle as failed, to be tried again."""
        settlement = Settlement(lease, SettleKind.RETRY, delay_s, error_msg, is_failure)
        return self.settle(settlement)[0]

    def archive(self, lease: Lease, *, error_msg: str = "boom") -> SettleOutcome:
        """Settle as failed for good."""
        return self.settle(Settlement(lease, SettleKind.ARCHIVE, 0.0, error_msg))[0]

    def heartbeat(self) -> None:
        """Renew what it holds, as the engine's heartbeater does."""
        self.intake.extend(self.held)
