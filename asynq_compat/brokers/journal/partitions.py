"""Which journals does this process have open, and who reads and writes them?

Contract: thread-safe. A `Partition` is one journal with this process's one writer and, from the first need on, one replica. A forked
child shares none of it: it opens everything anew at its first call.
Not obvious: a client has no replica while a server replies to it (reply.py). A queue's first writer announces it on the control journal
before anything stands in the queue's own, so that a queue with tasks is always announced.
"""

from __future__ import annotations

import abc
import os
import threading
from collections.abc import Sequence
from typing import Generic, TypeVar

from asynq_compat.brokers.journal.replica import IDLE_S, Replica
from asynq_compat.brokers.journal.reply import REPLY_S, Replier, ReplyReader
from asynq_compat.brokers.journal.ticket import Ticket
from asynq_compat.brokers.journal.writer import Writer
from asynq_compat.errors import ServerStateError
from asynq_compat.journals.journal import CONTROL, Journal, JournalStore, queue_journal_name
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.clock import Clock
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

# How long a call waits for the journal before it says that it is unavailable; Go's Redis client waits about as long.
TIMEOUT_S = 8.0

_F = TypeVar("_F", bound=Machine | ControlMachine)


class Followed(abc.ABC, Generic[_F]):
    """A journal, the writer into it, and a replica on demand."""

    def __init__(self, journal: Journal, clock: Clock, idle_s: float) -> None:
        self.journal = journal
        self.clock = clock
        self.writer = Writer(journal, clock, name=journal.name)
        self._idle_s = idle_s
        self._lock = threading.Lock()  # Guards the making of the replica.
        self._replica: Replica[_F] | None = None

    @abc.abstractmethod
    def _make_replica(self) -> Replica[_F]:
        """Return a replica that has not started."""

    @property
    def replica(self) -> Replica[_F]:
        """The replica, started on demand."""
        replica = self._replica
        if replica is None:
            with self._lock:
                if self._replica is None:
                    self._replica = self._make_replica()
                    self._replica.start()
                replica = self._replica
        return replica

    @property
    def has_replica(self) -> bool:
        """Whether somebody asked for the replica before."""
        return self._replica is not None

    def commit(self, commands: list[Command], *, size_bytes: int, needs_outcomes: bool) -> Ticket:
        """Append commands as one batch and return their settled ticket; raises as `Writer.commit`."""
        if needs_outcomes:
            assert self.replica is not None  # Started on demand: nothing else hears outcomes.
        ticket = Ticket(commands, size_bytes=size_bytes, needs_outcomes=needs_outcomes)
        self.writer.commit(ticket, timeout_s=TIMEOUT_S)
        return ticket

    def close(self) -> None:
        """End the threads; legal twice."""
        self.writer.close()
        if self._replica is not None:
            self._replica.stop()
        self.journal.close()


class Control(Followed[ControlMachine]):
    """The control journal."""

    def _make_replica(self) -> Replica[ControlMachine]:
        return Replica(self.journal, ControlMachine, self.writer, self.clock, idle_s=self._idle_s)

    def announce(self, queue: str) -> None:
        """Make sure that the queue is known. Durable on return."""
        self.commit([command.queue(queue, 1)], size_bytes=32 + len(queue), needs_outcomes=False)

    def knows(self, queue: str) -> bool:
        """Return whether the queue was announced before this call."""
        self.replica.sync(timeout_s=TIMEOUT_S)
        with self.replica.lock:
            return queue in self.replica.fold.queues()


class Partition(Followed[Machine]):
    """One queue's journal (queues have one partition)."""

    def __init__(
        self,
        queue: str,
        store: JournalStore,
        clock: Clock,
        idle_s: float,
        *,
        folds: bool = False,
        reply_s: float = REPLY_S,
    ) -> None:
        name = queue_journal_name(queue)
        super().__init__(store.open(name), clock, idle_s)
        self.queue = queue
        self.is_begun = False
        self._folds = folds
        self.reply_s = reply_s
        self.replies = ReplyReader(name, lambda: store.open(name), self.writer)
        self._sessions: frozenset[int] = frozenset()  # Of this process; replaced whole under `_lock`.

    def _make_replica(self) -> Replica[Machine]:
        self.replies.retire()
        return Replica(
            self.journal,
            lambda: Machine(self.queue),
            self.writer,
            self.clock,
            due=self._due,
            version=self._unknown_version,
            replier=Replier(self._reply_rank, self._reply),
            idle_s=self._idle_s,
        )

    @property
    def folds(self) -> bool:
        """Whether outcomes come from a replica here, not from replies."""
        return self._folds or self.has_replica

    def close(self) -> None:
        """End the threads; legal twice."""
        self.replies.retire()
        super().close()

    def joined(self, session: int) -> None:
        """Note a session of this process: it counts when keepers are ranked."""
        with self._lock:
            self._sessions |= {session}

    def left(self, session: int) -> None:
        """Note that a session of this process has ended."""
        with self._lock:
            self._sessions -= {session}

    def is_paused(self) -> bool:
        """Return whether the queue is paused, as far as the replica has come."""
        with self.replica.lock:
            return self.replica.fold.is_paused()

    def rank(self) -> int | None:
        """Return this process's best rank as a keeper. Called under the replica's lock."""
        machine = self.replica.fold
        ranks = [rank for name in self._sessions if (rank := machine.rank(name)) is not None]
        return min(ranks, default=None)

    def _reply_rank(self) -> int | None:
        if not self._sessions:
            return None
        with self.replica.lock:
            ranks = [self.replica.fold.reply_rank(name) for name in self._sessions]
        return min((rank for rank in ranks if rank is not None), default=None)

    def _reply(self, replies: Sequence[Command]) -> None:
        size_bytes = sum(64 + sum(len(one) for one in reply if isinstance(one, list)) for reply in replies)
        self.writer.submit(Ticket(replies, size_bytes=size_bytes, task_count=0))

    def _due(self) -> tuple[int | None, int] | None:
        rank = self.rank() if self._sessions else None
        return None if rank is None else (self.replica.fold.next_due_ms(), rank)

    def _unknown_version(self) -> int | None:
        return self.replica.fold.unsupported_version()


_K = TypeVar("_K", Control, Partition)


class Partitions:
    """All journals that this process has open in one store."""

    def __init__(
        self,
        store: JournalStore,
        clock: Clock,
        *,
        idle_s: float = IDLE_S,
        folds: bool = False,
        reply_s: float = REPLY_S,
    ) -> None:
        self.store = store
        self.clock = clock
        self._idle_s = idle_s
        self._folds = folds
        self._reply_s = reply_s
        self._abandoned: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()  # Guards the two below.
        self._queues: dict[str, Partition] = {}
        self._controls: dict[str, Control] = {}  # At most the one.
        self._is_closed = False

    def _check(self) -> None:
        if os.getpid() != self._pid:
            # A forked child: locks may be held and threads are gone. What is not dropped here stays as it was, unused.
            self._abandoned.append((self._queues, self._controls, self._lock))
            was_closed = self._is_closed
            self._begin()
            self._is_closed = was_closed
        if self._is_closed:
            raise ServerStateError(f"the connection to {self.store.address} is closed")

    @property
    def control(self) -> Control:
        """The control journal, opened on demand."""
        self._check()
        control = self._controls.get(CONTROL)
        if control is None:
            control = self._kept(self._controls, CONTROL, Control(self.store.open(CONTROL), self.clock, self._idle_s))
        return control

    def queue(self, name: str) -> Partition:
        """Return the partition of a queue, opened on demand; makes the journal if there is none."""
        partition = self._queues.get(name)
        if partition is not None and os.getpid() == self._pid and not self._is_closed:
            return partition
        self._check()
        partition = self._queues.get(name)
        if partition is None:
            opened = Partition(name, self.store, self.clock, self._idle_s, folds=self._folds, reply_s=self._reply_s)
            partition = self._kept(self._queues, name, opened)
        return partition

    def _kept(self, known: dict[str, _K], name: str, opened: _K) -> _K:
        """Return what is known by that name from now on; `opened` is closed if another thread was quicker, or closed everything."""
        with self._lock:
            is_closed = self._is_closed
            kept = opened if is_closed else known.setdefault(name, opened)
        if is_closed or kept is not opened:
            opened.close()
        self._check()
        return kept

    def begin(self, partition: Partition) -> list[Command]:
        """Return what has to stand before this process's first task in a queue, and announce the queue.

        Every process does both at its first use: the first genesis and the first announcement count, the others change nothing.
        """
        if partition.is_begun:
            return []
        control = self.control
        if not (control.has_replica and control.knows(partition.queue)):
            control.announce(partition.queue)
        partition.is_begun = True
        return [command.genesis(os.urandom(16), 0, 1)]

    def begin_serving(self, partition: Partition) -> list[Command]:
        """Return the genesis if the journal has none yet; unlike a first task it announces nothing, as in Asynq."""
        with partition.replica.lock:
            has_genesis = partition.replica.fold.genesis is not None
        return [] if has_genesis else [command.genesis(os.urandom(16), 0, 1)]

    def close(self) -> None:
        """Close everything. Legal twice."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            self._is_closed = True
            followed: list[Control | Partition] = [*self._queues.values(), *self._controls.values()]
            self._queues = {}
            self._controls = {}
        for one in followed:
            one.close()
        self.store.close()
