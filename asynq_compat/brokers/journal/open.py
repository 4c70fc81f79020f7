"""How do journals become a broker?

Contract: the one file that knows all ports of this broker. Opening connects to nothing; the first call does.
"""

from __future__ import annotations

from asynq_compat.brokers.journal.administering import JournalAdministering
from asynq_compat.brokers.journal.consuming import JournalConsuming
from asynq_compat.brokers.journal.inspecting import JournalInspecting
from asynq_compat.brokers.journal.maintaining import JournalMaintaining
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.producing import JournalProducing
from asynq_compat.brokers.journal.registering import JournalRegistering
from asynq_compat.brokers.journal.replica import IDLE_S
from asynq_compat.brokers.journal.signalling import JournalSignalling
from asynq_compat.journals.journal import JournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.maintaining import Duty
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock


def open_journal(store: JournalStore, *, clock: Clock | None = None, idle_s: float = IDLE_S) -> Broker:
    """Return the broker over the journals of `store`, which it closes with itself.

    Args:
        store: Where the journals stand.
        clock: Time for leases and ticks; the machine's own when left out.
        idle_s: How long its threads may wait without looking at `clock`; small where a test moves the clock.
    """
    partitions = Partitions(store, clock or SystemClock(), idle_s=idle_s)
    return Broker(
        family="journal",
        address=store.address,
        producing=JournalProducing(partitions),
        consuming=JournalConsuming(partitions, idle_s=idle_s),
        maintaining=JournalMaintaining(partitions),
        registering=JournalRegistering(partitions),
        signalling=JournalSignalling(partitions),
        inspecting=JournalInspecting(partitions),
        administering=JournalAdministering(partitions),
        duties=frozenset({Duty.RECOVER}),
        ping=store.ping,
        close=partitions.close,
    )
