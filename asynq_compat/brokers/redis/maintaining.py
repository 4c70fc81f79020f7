"""How do forwarder, janitor and recoverer keep Redis going?

Contract: the transitions `forward_due`, `delete_expired_completed`, `expired_leases`, and those of `aggregating`; each is safe in many processes at once. Thread-safe.
Not obvious: a lease counts as abandoned only 30 s after its end, as with Asynq's recoverer.
Source: docs/semantics.md, "forward", "leases", "retention".
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.brokers.redis.aggregating import RedisAggregating
from asynq_compat.brokers.redis.commands import as_bytes, as_int, as_list
from asynq_compat.brokers.redis.keys import queue_keys
from asynq_compat.brokers.redis.lease_term import LEASE_NS, TOLERANCE_NS, WallClockTerm
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.brokers.redis.settling import Settling
from asynq_compat.ports.consuming import Lease, Settlement, SettleOutcome
from asynq_compat.ports.producing import Producing
from asynq_compat.rules.clock import Clock

_NS = 1_000_000_000
_FORWARD_MAX = b"100"  # Asynq's: it keeps each script call short.


class RedisMaintaining(RedisAggregating):
    """The maintaining port. Thread-safe."""

    def __init__(self, link: Link, clock: Clock, producing: Producing) -> None:
        super().__init__(link, clock, producing)
        self._settling = Settling(link, clock)

    def forward_due(self, queues: Sequence[str]) -> int:
        """Make every scheduled or retried task pending whose time has come; return how many."""
        moved = 0
        left = list(queues)
        while left:
            now_ns = self._clock.now_ns()
            calls = [
                script("forward_due")(
                    [keys.scheduled, keys.retry, keys.pending],
                    [keys.task_prefix, keys.group_prefix, b"%d" % (now_ns // _NS), b"%d" % now_ns, _FORWARD_MAX],
                )
                for keys in map(queue_keys, left)
            ]
            counts = [as_list(self._link.accept(answer)) for answer in self._link.run(calls).answers]
            moved += sum(as_int(count) for count, _ in counts)
            left = [queue for queue, (_, has_more) in zip(left, counts, strict=True) if has_more]
        return moved

    def delete_expired_completed(self, queues: Sequence[str], batch_size: int) -> int:
        """Delete completed tasks whose retention is over, `batch_size` at a time until none is left; return how many."""
        deleted = 0
        left = list(queues)
        while left:
            now_s = self._clock.now_ns() // _NS
            calls = [
                script("delete_expired_completed")(
                    [keys.completed], [keys.task_prefix, b"%d" % now_s, b"%d" % batch_size]
                )
                for keys in map(queue_keys, left)
            ]
            counts = [as_int(self._link.accept(answer)) for answer in self._link.run(calls).answers]
            deleted += sum(counts)
            left = [queue for queue, count in zip(left, counts, strict=True) if count]
        return deleted

    def expired_leases(self, queues: Sequence[str]) -> Sequence[Lease]:
        """Return the tasks whose lease ended at least 30 s ago, by its end, queue after queue."""
        now_ns = self._clock.now_ns()
        term = WallClockTerm(self._clock, now_ns + LEASE_NS)
        expired_until = b"%d" % ((now_ns - TOLERANCE_NS) // _NS)
        calls = [
            script("expired_leases")([keys.lease], [keys.task_prefix, expired_until])
            for keys in map(queue_keys, queues)
        ]
        leases: list[Lease] = []
        answers = self._link.run(calls).answers if calls else []
        for queue, answer in zip(queues, answers, strict=True):
            parts = as_list(self._link.accept(answer))
            for task_id, message in zip(parts[::2], parts[1::2], strict=True):
                leases.append(Lease(queue, as_bytes(task_id).decode("utf-8", "replace"), as_bytes(message), term))
        return leases

    def settle_expired(self, settlements: Sequence[Settlement]) -> Sequence[SettleOutcome]:
        """Settle tasks that `expired_leases` gave: one outcome each, same order."""
        return self._settling.settle(settlements)
