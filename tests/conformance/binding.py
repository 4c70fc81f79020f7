"""What do the bindings share?

Contract: which brokers there are, what each has to pass, and a clock that begins today at noon: far from midnight, so that no counter's day
ends by accident, and near enough to Redis's own time, by which keys expire.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.journals.journal import JournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from asynq_compat.testing.conformance.suite import scenarios_for
from asynq_compat.testing.conformance.traits import JOURNAL, PARTITIONED_JOURNAL, REDIS, BrokerTraits

_DAY_NS = 86_400 * 1_000_000_000
# How long a journal's threads wait at most before they look at the virtual clock again.
LOOK_AGAIN_S = 0.02

TRAITS: dict[str, BrokerTraits] = {
    "redis": REDIS,
    "cluster": REDIS,
    "sentinel": REDIS,
    "tls": REDIS,
    "unix": REDIS,
    "valkey": REDIS,
    "memory": JOURNAL,
    "sqlite": JOURNAL,
    "kafka": JOURNAL,
    "confluent": JOURNAL,
    "partitions": PARTITIONED_JOURNAL,
}


def scenarios(broker: str) -> tuple[Scenario, ...]:
    """Return what the broker has to pass."""
    return scenarios_for(TRAITS[broker])


def noon_clock() -> VirtualClock:
    """Return a clock that stands at today's noon, UTC."""
    return VirtualClock(time.time_ns() // _DAY_NS * _DAY_NS + _DAY_NS // 2)


@contextmanager
def harness(
    broker: Broker, clock: VirtualClock, traits: BrokerTraits, *, let_pass: Callable[[float], None] | None = None
) -> Iterator[QueueHarness]:
    """Give a harness over an opened broker."""
    queue = QueueHarness(broker, clock, traits, abandon=_crash, let_pass=let_pass)
    try:
        yield queue
    finally:
        queue.close()


@contextmanager
def journal_harness(store: JournalStore, clock: VirtualClock, partition_count: int = 1) -> Iterator[QueueHarness]:
    """Give a harness over the journals of a store that takes its time from `clock`."""
    broker = open_journal(store, clock=clock, idle_s=LOOK_AGAIN_S, replica=True, partition_count=partition_count)
    try:
        with harness(broker, clock, JOURNAL if partition_count == 1 else PARTITIONED_JOURNAL) as queue:
            yield queue
    finally:
        broker.close()


def _crash(intake: Intake) -> None:
    if isinstance(intake, JournalIntake):
        intake.abandon()
