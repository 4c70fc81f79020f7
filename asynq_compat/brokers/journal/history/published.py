"""What did servers tell of their queues?

Contract: the control journal is read from its newest checkpoint on, no queue's. A place without one has no queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Control
from asynq_compat.brokers.journal.following.replica import IDLE_S
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.journals.journal import CONTROL, JournalStore
from asynq_compat.machine.control.published import PublishedCounts
from asynq_compat.ports.history import PublishedPartition, PublishedQueue
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.instants import instant_of

_NS_PER_MS = 1_000_000


def published_queues(store: JournalStore, clock: Clock) -> list[PublishedQueue]:
    """Return what is known of each queue, by name.

    Raises:
        BrokerUnavailableError: The control journal does not answer.
    """
    if CONTROL not in store.names():
        return []
    control = Control(store, clock, idle_s=IDLE_S, keeping=Keeping())
    try:
        replica = control.replica
        replica.sync(timeout_s=TIMEOUT_S)
        with replica.lock:
            queues, counts = replica.fold.queues(), replica.fold.counts()
    finally:
        control.close()
    told: dict[str, list[PublishedCounts]] = {}
    for one in counts:
        told.setdefault(one.queue, []).append(one)
    now_ns = clock.now_ns()
    return [_queue(name, partitions, told.get(name, []), now_ns) for name, partitions in queues.items()]


def _queue(name: str, partition_count: int, told: Sequence[PublishedCounts], now_ns: int) -> PublishedQueue:
    partitions = [_partition(one, now_ns) for one in told]
    sums: dict[str, int] = {}
    for one in partitions:
        for what, count in one.counts.items():
            sums[what] = sums.get(what, 0) + count
    return PublishedQueue(
        queue=name,
        partition_count=partition_count,
        age=max((one.age for one in partitions), default=None),
        is_paused=any(one.is_paused for one in partitions),
        latency=max((one.latency for one in partitions), default=timedelta(0)),
        counts=sums,
        partitions=partitions,
    )


def _partition(told: PublishedCounts, now_ns: int) -> PublishedPartition:
    told_at = instant_of(told.told_ms * _NS_PER_MS)
    since_ms = told.clock_ms if told.oldest_pending_since_ms is None else told.oldest_pending_since_ms
    return PublishedPartition(
        partition=told.partition,
        position=told.position,
        at=instant_of(told.clock_ms * _NS_PER_MS),
        told_at=told_at,
        age=max(timedelta(0), instant_of(now_ns) - told_at),
        is_paused=told.is_paused,
        latency=timedelta(milliseconds=max(0, told.clock_ms - since_ms)),
        counts=told.by_name(),
    )
