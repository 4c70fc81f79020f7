"""Which journals does this process have open, and who reads and writes them?

Contract: thread-safe. A `Partition` is one journal with this process's one writer and, from the first need on, one replica. A forked
child shares none of it: it opens everything anew at its first call.
Not obvious: a client that only enqueues plainly never has a replica. A queue's first writer announces it on the control journal
before anything stands in the queue's own, so that a queue with tasks is always announced.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from asynq_compat.brokers.journal.control import ControlState
from asynq_compat.brokers.journal.replica import IDLE_S, Replica
from asynq_compat.brokers.journal.ticket import Ticket
from asynq_compat.brokers.journal.writer import Writer
from asynq_compat.errors import ServerStateError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, CONTROL, Journal, JournalStore, queue_journal_name
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.clock import Clock
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

# How long a call waits for the journal before it says that it is unavailable; Go's Redis client waits about as long.
TIMEOUT_S = 8.0


class _Followed:
    """A journal, the writer into it, and a replica on demand."""

    def __init__(self, journal: Journal, clock: Clock, idle_s: float) -> None:
        self.journal = journal
        self.clock = clock
        self.writer = Writer(journal, clock, name=journal.name)
        self._idle_s = idle_s
        self._lock = threading.Lock()  # Guards the making of the replica.
        self._replica: Replica | None = None

    def _follow(self, make: Callable[[], Machine | ControlState], rank: Callable[[], int | None]) -> Replica:
        with self._lock:
            if self._replica is None:
                self._replica = Replica(self.journal, make, self.writer, self.clock, rank=rank, idle_s=self._idle_s)
                self._replica.start()
            return self._replica

    def commit(self, commands: list[Command], *, size_bytes: int, needs_outcomes: bool) -> Ticket:
        """Append commands as one batch and return their settled ticket; raises as `Writer.commit`."""
        ticket = Ticket(commands, size_bytes=size_bytes, needs_outcomes=needs_outcomes)
        self.writer.commit(ticket, timeout_s=TIMEOUT_S)
        return ticket

    def close(self) -> None:
        """End the threads; legal twice."""
        self.writer.close()
        if self._replica is not None:
            self._replica.stop()
        self.journal.close()


class Control(_Followed):
    """The control journal."""

    @property
    def replica(self) -> Replica:
        """The replica, started on demand."""
        return self._follow(ControlState, lambda: None)

    def state(self) -> ControlState:
        """Return the fold; to be asked under the replica's lock."""
        fold = self.replica.fold
        assert isinstance(fold, ControlState)
        return fold

    def announce(self, queue: str) -> None:
        """Make sure that the queue is known. Durable on return."""
        self.commit([command.queue(queue, 1)], size_bytes=32 + len(queue), needs_outcomes=False)


class Partition(_Followed):
    """One queue's journal (queues have one partition)."""

    def __init__(self, queue: str, journal: Journal, clock: Clock, idle_s: float) -> None:
        super().__init__(journal, clock, idle_s)
        self.queue = queue
        self._sessions: frozenset[int] = frozenset()  # Of this process; replaced whole under `_lock`.
        self.is_begun = False

    @property
    def replica(self) -> Replica:
        """The replica, started on demand."""
        return self._follow(lambda: Machine(self.queue), self._rank)

    def machine(self) -> Machine:
        """Return the fold; to be asked under the replica's lock."""
        fold = self.replica.fold
        assert isinstance(fold, Machine)
        return fold

    def joined(self, session: int) -> None:
        """Note a session of this process: it counts when keepers are ranked."""
        with self._lock:
            self._sessions |= {session}

    def left(self, session: int) -> None:
        """Note that a session of this process has ended."""
        with self._lock:
            self._sessions -= {session}

    def _rank(self) -> int | None:
        """Return this process's best rank as a keeper. Called under the replica's lock."""
        machine = self.machine()
        ranks = [rank for name in self._sessions if (rank := machine.rank(name)) is not None]
        return min(ranks, default=None)

    def rank(self) -> int | None:
        """Return this process's best rank as a keeper."""
        with self.replica.lock:
            return self._rank()


class Partitions:
    """All journals that this process has open in one store."""

    def __init__(self, store: JournalStore, clock: Clock, *, idle_s: float = IDLE_S) -> None:
        self.store = store
        self.clock = clock
        self._idle_s = idle_s
        self._abandoned: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()  # Guards the two below.
        self._queues: dict[str, Partition] = {}
        self._control: Control | None = None
        self._is_closed = False

    def _check(self) -> None:
        if os.getpid() != self._pid:
            # A forked child: locks may be held and threads are gone. What is not dropped here stays as it was, unused.
            self._abandoned.append((self._queues, self._control, self._lock))
            was_closed = self._is_closed
            self._begin()
            self._is_closed = was_closed
        if self._is_closed:
            raise ServerStateError(f"the connection to {self.store.address} is closed")

    @property
    def control(self) -> Control:
        """The control journal, opened on demand."""
        self._check()
        with self._lock:
            if self._control is None:
                self._control = Control(self.store.open(CONTROL), self.clock, self._idle_s)
            return self._control

    def queue(self, name: str) -> Partition:
        """Return the partition of a queue, opened on demand; makes the journal if there is none."""
        partition = self._queues.get(name)
        if partition is not None and os.getpid() == self._pid and not self._is_closed:
            return partition
        self._check()
        with self._lock:
            if name not in self._queues:
                self._queues[name] = Partition(
                    name, self.store.open(queue_journal_name(name)), self.clock, self._idle_s
                )
            return self._queues[name]

    def begin(self, partition: Partition) -> list[Command]:
        """Return what has to stand before the first command in the queue's journal: nothing, or its genesis.

        Announces the queue first. Two processes may both begin: the first genesis counts.
        """
        if partition.is_begun:
            return []
        if partition.journal.end() != BEFORE_THE_FIRST:
            partition.is_begun = True
            return []
        self.control.announce(partition.queue)
        partition.is_begun = True
        return [command.genesis(os.urandom(16), 0, 1)]

    def begin_serving(self, partition: Partition) -> list[Command]:
        """Return the genesis if the journal has none yet; unlike a first task it announces nothing."""
        with partition.replica.lock:
            has_genesis = partition.machine().genesis is not None
        return [] if has_genesis else [command.genesis(os.urandom(16), 0, 1)]

    def exists(self, name: str) -> bool:
        """Return whether a queue is known; never makes one."""
        control = self.control
        control.replica.sync(timeout_s=TIMEOUT_S)
        with control.replica.lock:
            return name in control.state().queues

    def close(self) -> None:
        """Close everything. Legal twice."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            self._is_closed = True
            followed: list[_Followed] = [*self._queues.values()]
            if self._control is not None:
                followed.append(self._control)
            self._queues = {}
            self._control = None
        for one in followed:
            one.close()
        self.store.close()
