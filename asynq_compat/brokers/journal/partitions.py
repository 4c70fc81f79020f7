"""Which journals does this process have open, and who looks after them?

Contract: thread-safe. A forked child shares none of it: it opens everything anew at its first call.
Not obvious: a queue's first writer announces it on the control journal before anything stands in the queue's own, so that a queue with
tasks is always announced.
"""

from __future__ import annotations

import os
import threading
from typing import TypeVar

from asynq_compat.brokers.journal.following.followed import Control, Partition
from asynq_compat.brokers.journal.following.replica import IDLE_S
from asynq_compat.brokers.journal.keeping.keeper import Keeper
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.publishing import Publisher
from asynq_compat.brokers.journal.reply import REPLY_S
from asynq_compat.errors import ServerStateError
from asynq_compat.journals.journal import CONTROL, JournalStore
from asynq_compat.rules.clock import Clock
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

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
        keeping: Keeping | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self._idle_s = idle_s
        self._folds = folds
        self._reply_s = reply_s
        self._keeping = keeping or Keeping()
        self._abandoned: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()  # Guards the two below.
        self._queues: dict[str, Partition] = {}
        self._controls: dict[str, Control] = {}  # At most the one.
        self._is_closed = False
        self._keeper = Keeper(self.followed, self._keeping)
        self._publisher = Publisher(self._served, lambda: self.control, self.clock.monotonic_s)

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
            opened = Control(self.store, self.clock, idle_s=self._idle_s, keeping=self._keeping)
            control = self._kept(self._controls, CONTROL, opened)
        return control

    def queue(self, name: str) -> Partition:
        """Return the partition of a queue, opened on demand; makes the journal if there is none."""
        partition = self._queues.get(name)
        if partition is not None and os.getpid() == self._pid and not self._is_closed:
            return partition
        self._check()
        partition = self._queues.get(name)
        if partition is None:
            opened = Partition(
                name,
                self.store,
                self.clock,
                idle_s=self._idle_s,
                folds=self._folds,
                reply_s=self._reply_s,
                keeping=self._keeping,
            )
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

    def followed(self) -> list[Control | Partition]:
        """Return the journals that a replica follows here."""
        with self._lock:
            every: list[Control | Partition] = [*self._queues.values(), *self._controls.values()]
        return [one for one in every if one.has_replica]

    def _served(self) -> list[Partition]:
        return [one for one in self.followed() if isinstance(one, Partition)]

    def look_after(self) -> None:
        """Let this process take its turn as keeper, and tell of the queues that it serves, from now on."""
        self._keeper.start()
        self._publisher.start()

    def close(self) -> None:
        """Close everything. Legal twice."""
        if os.getpid() != self._pid:
            self._begin()
        self._keeper.end()
        self._publisher.stop()
        with self._lock:
            self._is_closed = True
            followed: list[Control | Partition] = [*self._queues.values(), *self._controls.values()]
            self._queues = {}
            self._controls = {}
        for one in followed:
            one.close()
        self._keeper.stop()
        self.store.close()
