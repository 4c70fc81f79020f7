"""How do journals become a broker?

Contract: the one file that knows all ports of this broker. Opening connects to nothing; the first call does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from asynq_compat.brokers.journal.administering import JournalAdministering
from asynq_compat.brokers.journal.consuming import JournalConsuming
from asynq_compat.brokers.journal.diagnosing.diagnosing import JournalDiagnosing
from asynq_compat.brokers.journal.following.replica import IDLE_S
from asynq_compat.brokers.journal.history.recounting import JournalHistory
from asynq_compat.brokers.journal.inspecting import JournalInspecting
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.limiting import JournalLimiting
from asynq_compat.brokers.journal.maintaining import JournalMaintaining
from asynq_compat.brokers.journal.observing import JournalObserving
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.producing import JournalProducing
from asynq_compat.brokers.journal.registering import JournalRegistering
from asynq_compat.brokers.journal.reply import REPLY_S
from asynq_compat.brokers.journal.scheduling import JournalScheduling
from asynq_compat.brokers.journal.signalling import JournalSignalling
from asynq_compat.journals.examining import Condition
from asynq_compat.journals.journal import JournalStore
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.maintaining import Duty
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock

# To ask costs a look at the folded state, and a tick comes when a lease ends.
_RECOVERY_INTERVAL_S = 1.0
# docs/adr/0014: what pays the most, and no answer to an enqueue is longer held up.
_COMPANY_S = 0.005

# What brokers of one place in this process's memory share, and how many they are; guarded by the lock.
_shared: dict[str, tuple[Partitions, int]] = {}
_sharing = threading.Lock()


def open_journal(
    store: JournalStore,
    *,
    clock: Clock | None = None,
    idle_s: float = IDLE_S,
    shares: bool = False,
    replica: bool = False,
    reply_s: float = REPLY_S,
    keeping: Keeping | None = None,
    partition_count: int = 1,
    versions: Versions = VERSIONS,
    examine: Callable[[], Sequence[Condition]] = tuple,
) -> Broker:
    """Return the broker over the journals of `store`, which it closes with itself.

    Args:
        store: Where the journals stand.
        clock: Time for leases and ticks; the machine's own when left out.
        idle_s: How long its threads may wait without looking at `clock`; small where a test moves the clock.
        shares: Brokers of one address in this process share writers and replicas: for a place that no other process sees.
        replica: Follow a queue from the first outcome that is needed, instead of asking its servers for it.
        reply_s: How long to wait for a server's reply before the journal is folded.
        keeping: When checkpoints are written and what is cut; the defaults when left out.
        partition_count: Of queues that are made here; those that exist keep theirs.
        versions: The machine versions that this program knows: this release's, but for tests of the next one.
        examine: Says how the place is where they stand, for who asks.
    """
    partitions = Partitions(
        store,
        clock or SystemClock(),
        idle_s=idle_s,
        folds=replica or shares,
        reply_s=reply_s,
        keeping=keeping,
        partition_count=partition_count,
        versions=versions,
    )
    if shares:
        partitions = _share(partitions)
    return _broker(partitions, store, idle_s, examine)


def _broker(
    partitions: Partitions, store: JournalStore, idle_s: float, examine: Callable[[], Sequence[Condition]]
) -> Broker:
    history = JournalHistory(store, partitions.clock, partitions.versions)
    consuming = JournalConsuming(partitions, idle_s=idle_s)
    producing = JournalProducing(partitions)
    is_open = [True]

    def close() -> None:
        consuming.close()
        if is_open and is_open.pop():
            _release(partitions)

    return Broker(
        family="journal",
        address=store.address,
        producing=producing,
        consuming=consuming,
        maintaining=JournalMaintaining(partitions, producing),
        registering=JournalRegistering(partitions),
        signalling=JournalSignalling(partitions),
        scheduling=JournalScheduling(partitions),
        inspecting=JournalInspecting(partitions),
        administering=JournalAdministering(partitions),
        limiting=JournalLimiting(partitions),
        observing=JournalObserving(partitions),
        duties=frozenset({Duty.RECOVER, Duty.AGGREGATE}),
        recovery_interval_s=_RECOVERY_INTERVAL_S,
        company_s=_COMPANY_S,
        diagnosing=JournalDiagnosing(store, partitions.clock, partitions.versions, history, examine),
        history=history,
        ping=store.ping,
        close=close,
    )


def _share(fresh: Partitions) -> Partitions:
    """Return what others of the address use already, or `fresh`."""
    address = fresh.store.address
    with _sharing:
        partitions, count = _shared.get(address, (fresh, 0))
        if partitions.clock is not fresh.clock and type(partitions.clock) is not type(fresh.clock):
            return fresh  # A test's clock and the system's do not mix.
        _shared[address] = (partitions, count + 1)
        return partitions


def _release(partitions: Partitions) -> None:
    """Close what nobody else shares."""
    address = partitions.store.address
    with _sharing:
        shared, count = _shared.get(address, (partitions, 1))
        if shared is partitions and count > 1:
            _shared[address] = (shared, count - 1)
            return
        if shared is partitions:
            _shared.pop(address, None)
    partitions.close()
