"""What does a process hold of one journal?

Contract: thread-safe. A `Control` or a `Partition` is one journal with this process's one writer and, from the first need on, one replica.
Not obvious: a client has no replica while a server replies to it (reply.py).
"""

from __future__ import annotations

import abc
import os
import threading
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from asynq_compat.brokers.journal.following.replica import Replica
from asynq_compat.brokers.journal.following.spill import Spill
from asynq_compat.brokers.journal.keeping.checkpointing import Snapshot
from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.reply import REPLY_S, Replier, ReplyReader
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.journals.journal import CONTROL, JournalStore, queue_journal_name
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import control_sections, restore, restore_control, snapshot_sections
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.rules.clock import Clock
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

# How long a call waits for the journal before it says that it is unavailable; Go's Redis client waits about as long.
TIMEOUT_S = 8.0

_F = TypeVar("_F", bound=Machine | ControlMachine)


class Followed(abc.ABC, Generic[_F]):
    """A journal, the writer into it, and a replica on demand."""

    def __init__(self, store: JournalStore, name: str, clock: Clock, *, idle_s: float, keeping: Keeping) -> None:
        self.store = store
        self.journal = store.open(name)
        self.clock = clock
        self.keeping = keeping
        self.writer = Writer(self.journal, clock, name=name)
        self.checkpoints = self._find_checkpoints()
        self._idle_s = idle_s
        self._lock = threading.Lock()  # Guards the making of the replica.
        self._replica: Replica[_F] | None = None

    @abc.abstractmethod
    def _make_replica(self) -> Replica[_F]:
        """Return a replica that has not started."""

    @abc.abstractmethod
    def _find_checkpoints(self) -> Checkpoints[_F]:
        """Return the checkpoints of the journal."""

    @abc.abstractmethod
    def rank(self) -> int | None:
        """Return this process's rank as a keeper: 0 is the keeper, None has no turn. Called under the replica's lock."""

    def state_bytes(self) -> int:
        """Return roughly how large the state is. Called without the replica's lock."""
        return 0

    def snapshot(self) -> Snapshot | None:
        """Return the state as it is now, to be written; None before the first entry."""
        replica = self.replica
        with replica.lock:
            if replica.last is None:
                return None
            sections = list(self.checkpoints.sections_of(replica.fold))
            return Snapshot(os.urandom(16), replica.last, replica.fold.trail, sections)

    @property
    def replica(self) -> Replica[_F]:
        """The replica, started on demand."""
        replica = self._replica
        if replica is None:
            with self._lock:
                replica = self._replica
                if replica is None:
                    replica = self._make_replica()
                    replica.start()
                    self._replica = replica  # Behind the start: a frame that is sent before it hears no outcomes.
        return replica

    @property
    def has_replica(self) -> bool:
        """Whether somebody asked for the replica before."""
        return self._replica is not None

    def _started(self) -> Replica[_F] | None:
        """Return the replica if there is one, also one that is being started now."""
        with self._lock:
            return self._replica

    def commit(self, commands: list[Command], *, size_bytes: int, needs_outcomes: bool) -> Ticket:
        """Append commands as one batch and return their settled ticket; raises as `Writer.commit`."""
        if needs_outcomes:
            assert self.replica is not None  # Started on demand: nothing else hears outcomes.
        ticket = Ticket(commands, size_bytes=size_bytes, needs_outcomes=needs_outcomes)
        self.writer.commit(ticket, timeout_s=TIMEOUT_S)
        return ticket

    def end(self) -> None:
        """Send what waits and begin to end the threads, do not wait for them; legal twice."""
        self.writer.close()
        if (replica := self._started()) is not None:
            replica.stop(waits=False)

    def close(self) -> None:
        """End the threads; legal twice."""
        self.writer.close()
        if (replica := self._started()) is not None:
            replica.stop()
        self.checkpoints.close()
        self.journal.close()


class Control(Followed[ControlMachine]):
    """The control journal."""

    def __init__(self, store: JournalStore, clock: Clock, *, idle_s: float, keeping: Keeping) -> None:
        super().__init__(store, CONTROL, clock, idle_s=idle_s, keeping=keeping)
        self._servers: frozenset[str] = frozenset()  # Published by this process; replaced whole under `_lock`.

    def _make_replica(self) -> Replica[ControlMachine]:
        return Replica(
            self.journal,
            ControlMachine,
            self.writer,
            self.clock,
            checkpoints=self.checkpoints,
            keeping=self.keeping,
            idle_s=self._idle_s,
        )

    def _find_checkpoints(self) -> Checkpoints[ControlMachine]:
        return Checkpoints(self.store, CONTROL, control_sections, restore_control)

    def published(self, server: str) -> None:
        """Note a server that this process has published: it counts when keepers are ranked."""
        with self._lock:
            self._servers |= {server}

    def withdrawn(self, server: str) -> None:
        """Note that a server was withdrawn."""
        with self._lock:
            self._servers -= {server}

    def rank(self) -> int | None:
        """Return the rank of this process's first server among those that are known, by name. Called under the replica's lock."""
        known = self.replica.fold.servers(self.clock.now_ns() // 1_000_000)
        return next((rank for rank, server in enumerate(known) if server.key in self._servers), None)

    def announce(self, queue: str, partition_count: int) -> None:
        """Make sure that the queue is known. Durable on return."""
        self.commit([command.queue(queue, partition_count)], size_bytes=32 + len(queue), needs_outcomes=False)

    def partition_count(self, queue: str) -> int | None:
        """Return how many partitions the queue has if it was announced before this call."""
        self.replica.sync(timeout_s=TIMEOUT_S)
        with self.replica.lock:
            return self.replica.fold.queues().get(queue)

    def knows(self, queue: str) -> bool:
        """Return whether the queue was announced before this call."""
        return self.partition_count(queue) is not None


class Partition(Followed[Machine]):
    """One partition of a queue: partition `number` of `count`."""

    def __init__(
        self,
        queue: str,
        number: int,
        count: int,
        store: JournalStore,
        clock: Clock,
        *,
        idle_s: float,
        keeping: Keeping,
        folds: bool = False,
        reply_s: float = REPLY_S,
        versions: Versions = VERSIONS,
    ) -> None:
        self.queue = queue
        self.versions = versions
        self.number = number
        self.count = count
        super().__init__(store, queue_journal_name(queue, number), clock, idle_s=idle_s, keeping=keeping)
        self.is_begun = False
        self._folds = folds
        self.reply_s = reply_s
        self.replies = ReplyReader(self.journal.name, lambda: store.open(self.journal.name), self.writer)
        self._sessions: frozenset[int] = frozenset()  # Of this process; replaced whole under `_lock`.

    def _make_replica(self) -> Replica[Machine]:
        self.replies.retire()
        return Replica(
            self.journal,
            lambda: Machine(self.queue, versions=self.versions, attic=Spill(self.journal.name)),
            self.writer,
            self.clock,
            due=self._due,
            version=self._unknown_version,
            replier=Replier(self.reply_rank, self._reply),
            checkpoints=self.checkpoints,
            keeping=self.keeping,
            idle_s=self._idle_s,
        )

    def _find_checkpoints(self) -> Checkpoints[Machine]:
        def load(sections: Iterable[bytes]) -> Machine:
            return restore(self.queue, sections, versions=self.versions, attic=Spill(self.journal.name))

        return Checkpoints(self.store, self.journal.name, snapshot_sections, load)

    def genesis(self) -> Command:
        """Return what says which journal this is, if it stands there first."""
        return command.genesis(os.urandom(16), self.number, self.count)

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

    @property
    def is_in_use(self) -> bool:
        """Whether a server of this process works here."""
        return bool(self._sessions)

    def has_others(self) -> bool:
        """Return whether a session of another process has credit or tasks here, as far as the replica has come."""
        with self.replica.lock:
            return any(
                view.rank is not None for view in self.replica.fold.sessions() if view.session not in self._sessions
            )

    def is_paused(self) -> bool:
        """Return whether the queue is paused, as far as the replica has come."""
        with self.replica.lock:
            return self.replica.fold.is_paused()

    def rank(self) -> int | None:
        """Return this process's best rank as a keeper. Called under the replica's lock."""
        machine = self.replica.fold
        ranks = [rank for name in self._sessions if (rank := machine.rank(name)) is not None]
        return min(ranks, default=None)

    def reply_rank(self) -> int | None:
        """Return this process's best rank among all that serve the queue, the dormant behind the others; None if it does not."""
        if not self._sessions:
            return None
        with self.replica.lock:
            ranks = [self.replica.fold.reply_rank(name) for name in self._sessions]
        return min((rank for rank in ranks if rank is not None), default=None)

    def _reply(self, replies: Sequence[Command]) -> None:
        size_bytes = sum(64 + sum(len(one) for one in reply if isinstance(one, list)) for reply in replies)
        self.writer.submit(Ticket(replies, size_bytes=size_bytes, task_count=0))

    def state_bytes(self) -> int:
        """Return roughly how large the state is. Called without the replica's lock."""
        with self.replica.lock:
            return self.replica.fold.counts().memory_usage_bytes

    def _due(self) -> tuple[int | None, int] | None:
        rank = self.rank() if self._sessions else None
        return None if rank is None else (self.replica.fold.next_due_ms(), rank)

    def _unknown_version(self) -> int | None:
        return self.replica.fold.unsupported_version()
