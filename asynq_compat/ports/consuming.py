"""How does a server take tasks and report what became of them?

Contract: an `Intake` is one server's way in. It never holds out more unstarted work than its capacity allows, and it keeps what it
gave out until it is settled. `take` is called by one thread, the others by any at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeGuard

from asynq_compat.wire.hot_record import hot_record


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOrder:
    """Which queues a server serves, how they share it, and how often it looks at empty ones.

    Attributes:
        weights: Queue name to priority, each at least 1.
        strict: True: a queue is served only while those of higher priority are empty. False: in proportion to the weights.
        check_interval_s: Where no news comes of a task, the mean time until the queues are asked again.
    """

    weights: Mapping[str, int]
    strict: bool = False
    check_interval_s: float = 1.0  # Asynq's TaskCheckInterval.


class LeaseTerm(Protocol):
    """How long leases are ours; shared by all leases that run out together, and equal to itself alone."""

    def is_valid(self) -> bool:
        """Return True while nobody else can have been given the tasks. Cheap: asked before every start and settle."""


@dataclass(slots=True)
class Lease:
    """One task given to this server to work on.

    Attributes:
        queue: Name of its queue.
        task_id: Its id.
        message: The encoded TaskMessage as stored; it may be unreadable (another program wrote it).
        term: Until when the lease holds.
        position: Where in the broker's order it was given; opaque to callers.
        index: Its place within `position`; opaque to callers.
        has_started: Set by the engine just before the handler runs. What has not started may be given back uncounted.
    """

    queue: str
    task_id: str
    message: bytes
    term: LeaseTerm
    position: int = 0
    index: int = 0
    has_started: bool = False


class SettleKind(Enum):
    """How the work on a task ended; each is one transition."""

    DONE = "done"  # ended well (or was revoked): the task is deleted, its lock freed
    COMPLETE = "complete"  # ended well and is kept for message.retention seconds
    RETRY = "retry"  # failed: it runs again after delay_s
    ARCHIVE = "archive"  # failed for good
    REQUEUE = "requeue"  # not done here: next in line again, nothing counted


@hot_record
class Settlement:
    """What became of one lease.

    Attributes:
        lease: The lease it settles.
        kind: The transition.
        delay_s: RETRY: seconds from now, by the broker's clock; cut to whole seconds after adding.
        error_msg: RETRY and ARCHIVE: text of the failure, valid UTF-8.
        is_failure: RETRY: whether it counts as a failure (retried + 1, counters).
        retention_s: COMPLETE: message.retention, where the engine has read it; 0: the broker reads it.
    """

    lease: Lease
    kind: SettleKind
    delay_s: float = 0.0
    error_msg: str = ""
    is_failure: bool = True
    retention_s: int = 0

    @property
    def term(self) -> LeaseTerm:
        """Until when the lease holds."""
        return self.lease.term


# What became of a task. Nearly all end well and are not kept: then the lease by itself says so, and nothing is made.
Ended = Lease | Settlement


def settlement_of(ended: Ended) -> Settlement:
    """Return it as a settlement, a lease as one that is DONE."""
    return ended if isinstance(ended, Settlement) else Settlement(ended, SettleKind.DONE)


def are_leases(ended: Sequence[Ended]) -> TypeGuard[Sequence[Lease]]:
    """Return whether all are bare leases."""
    return set(map(type, ended)) <= {Lease}


def lease_of(ended: Ended) -> Lease:
    """Return the lease that it settles."""
    return ended.lease if isinstance(ended, Settlement) else ended


class SettleOutcome(Enum):
    """What became of one settlement."""

    SETTLED = "settled"
    NOT_HELD = "not_held"  # the task is not held under this lease any more; nothing more to do
    INCONSISTENT = "inconsistent"  # the stored state contradicts itself (G24); repeating it will not help


class Waiting(Protocol):
    """Who hears how long tasks had waited; quick, and never raises."""

    def waited(self, queue: str, count: int, waits_s: Sequence[float]) -> None:
        """Hear that `count` tasks were taken out of a queue, and how long some of them, evenly spread, had been pending."""


class Intake(Protocol):
    """One server's way to tasks."""

    def take(self, wait_s: float) -> Sequence[Lease]:
        """Return tasks for free slots, in the order in which they are to be started.

        Blocks until there is one, `wait_s` has passed or `stop` was called; then it may be empty. It gives out at most as many as
        there are free slots (capacity − given out + freed by `settle`), a broker that prefetches a few more while handlers are quick.

        Raises:
            BrokerUnavailableError: The broker does not answer; the caller waits a little and calls again.
            NewerReleaseError: A later release has taken over: nothing will come any more.
        """

    def settle(self, settlements: Sequence[Ended], slots_freed: int) -> Sequence[SettleOutcome]:
        """Carry out the settlements, a bare lease as DONE: one outcome each, same order; and take note of `slots_freed` slots.

        `slots_freed` counts every slot free since the last call, also those whose lease is not settled (the lease was lost).
        The slots count as freed also when the call raises.

        Raises:
            BrokerUnavailableError: Not known to be written. The same settlements may be passed again, with 0 slots; what was
                written the first time is answered with SETTLED or NOT_HELD and changes nothing. (NOT_HELD under a term that is still
                valid can only mean that.)
        """

    def turn_over(self, slots_freed: int) -> Sequence[Lease] | None:
        """Hear of freed slots ahead of their `settle` and return, as `take` does, what is at hand for free slots. Never blocks.

        They are not counted again in the `slots_freed` of `settle`. None, always, where settling and taking share a round trip: then
        nothing was taken note of.
        """

    def extend(self, leases: Sequence[Lease]) -> None:
        """Renew the leases whose term is still valid; terms that cannot be renewed run out by themselves.

        Raises:
            BrokerUnavailableError: Not renewed.
        """

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store `result` with the task, replacing an earlier one; return its length in bytes."""

    def stop(self) -> None:
        """Take no more: a blocked `take` returns, later ones give nothing. Settling goes on. Legal at any time, twice too."""

    def close(self) -> None:
        """Give back what is left and let go of the broker's resources. Legal twice."""


class Consuming(Protocol):
    """What a server asks of a broker."""

    def open_intake(self, order: QueueOrder, capacity: int, server_id: str, observer: Waiting | None = None) -> Intake:
        """Join as a worker with `capacity` slots; `observer` hears how long tasks had waited.

        Raises:
            BrokerUnavailableError: The broker does not answer.
        """
