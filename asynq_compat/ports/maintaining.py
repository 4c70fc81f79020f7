"""Which duties keep a queue going, and who has to do them?

Contract: each is safe to run in many processes at once. `Broker.duties` says which of them this broker leaves to the engine: on a
journal time passes inside the machine, so only expired leases and groups are left, since the user's functions decide about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol

from asynq_compat.ports.consuming import Lease, Settlement, SettleOutcome
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest
from asynq_compat.rules.patience import Patience
from asynq_compat.wire.hot_record import hot_record


class Duty(Enum):
    """A background duty that an engine may have to run."""

    FORWARD = "forward"
    RECOVER = "recover"
    EXPIRE_COMPLETED = "expire_completed"
    AGGREGATE = "aggregate"


@hot_record
class AggregationSet:
    """Tasks of one group, of which this process is to make one.

    Attributes:
        name: Of the set, for logs.
        messages: Their encoded TaskMessages, the first to come first.
        expires_at_s: Unix second from which on they return to their group, unless the set is finished before.
        place: The broker's own.
    """

    queue: str
    group: str
    name: str
    messages: Sequence[bytes]
    expires_at_s: int
    place: object


# A set, and the request that stands for its tasks.
Finished = tuple[AggregationSet, EnqueueRequest]


class Maintaining(Protocol):
    """What forwarder, recoverer, janitor and aggregator ask of a broker. Thread-safe."""

    def forward_due(self, queues: Sequence[str]) -> int:
        """Make every scheduled or retried task pending whose time has come; return how many."""

    def delete_expired_completed(self, queues: Sequence[str], batch_size: int) -> int:
        """Delete completed tasks whose retention is over, `batch_size` at a time until none is left; return how many."""

    def expired_leases(self, queues: Sequence[str]) -> Sequence[Lease]:
        """Return the tasks whose worker is gone and that this process should settle now."""

    def settle_expired(self, settlements: Sequence[Settlement]) -> Sequence[SettleOutcome]:
        """Settle tasks that `expired_leases` gave (RETRY or ARCHIVE): one outcome each, same order."""

    def aggregate(self, queue: str, patience: Patience) -> Iterator[Sequence[AggregationSet]]:
        """Make a set of each group that has waited long enough, some at a time; the next ones when they are asked for.

        On a journal a group is left to servers that look after it before this one; they have some seconds for it.
        """

    def finish_sets(self, finished: Sequence[Finished]) -> Sequence[EnqueueOutcome | None]:
        """Store the request that stands for a set's tasks and delete them, for each set; one outcome each, same order.

        Nothing is deleted unless it is stored. None: the time of the set is over, and nothing was stored; on Redis nobody asks.
        """

    def reclaim_sets(self, queues: Sequence[str]) -> int:
        """Return the tasks of sets whose time is over to their groups; return how many sets there were."""
