"""Which journals does this process have open, and who looks after them?

Contract: thread-safe. A forked child shares none of it: it opens everything anew at its first call.
Not obvious: a queue's first writer announces it on the control journal before anything stands in the queue's own, so that a queue with
tasks is always announced. How many partitions a queue has is said by its journals; where that can have changed since (a topic was given
more), what was announced counts.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from typing import TypeVar

from asynq_compat.brokers.journal.following.followed import Control, Partition
from asynq_compat.brokers.journal.following.replica import IDLE_S
from asynq_compat.brokers.journal.keeping.keeper import Keeper
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.publishing import Publisher
from asynq_compat.brokers.journal.queue import Queue
from asynq_compat.brokers.journal.reply import REPLY_S
from asynq_compat.errors import AsynqError, ServerStateError
from asynq_compat.journals.journal import CONTROL, JournalStore, queue_journal_name
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.command import Command

_LOG = logging.getLogger("asynq_compat.journal")

_K = TypeVar("_K", Control, Queue)


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
        partition_count: int = 1,
        versions: Versions = VERSIONS,
    ) -> None:
        self.store = store
        self.clock = clock
        self.versions = versions
        self._idle_s = idle_s
        self._folds = folds
        self._reply_s = reply_s
        self._keeping = keeping or Keeping()
        self._partition_count = partition_count
        self._abandoned: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()  # Guards the two below.
        self._queues: dict[str, Queue] = {}
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

    def queue(self, name: str) -> Queue:
        """Return a queue, opened on demand; makes its journals if there are none."""
        queue = self._queues.get(name)
        if queue is not None and os.getpid() == self._pid and not self._is_closed:
            return queue
        self._check()
        queue = self._queues.get(name)
        if queue is None:
            queue = self._kept(self._queues, name, self._opened(name))
        return queue

    def prepare(self, names: Sequence[str]) -> None:
        """Make the journals of queues that are asked for next, where there are none, in few requests."""
        self._check()
        wanted = [queue_journal_name(name) for name in names if name not in self._queues]
        self.store.prepare(wanted, self._partition_count)

    def _opened(self, name: str) -> Queue:
        count = self._count(name)
        partitions: list[Partition] = []
        try:
            partitions.extend(self._partition(name, number, count) for number in range(count))
        except AsynqError:
            Queue(name, partitions).close()
            raise
        return Queue(name, partitions)

    def _partition(self, queue: str, number: int, count: int) -> Partition:
        return Partition(
            queue,
            number,
            count,
            self.store,
            self.clock,
            idle_s=self._idle_s,
            folds=self._folds,
            reply_s=self._reply_s,
            keeping=self._keeping,
            versions=self.versions,
        )

    def let_go(self, partition: Partition) -> None:
        """Follow a partition no longer; it is opened anew for whoever needs it next. Does nothing where a server works in it."""
        if self._folds or partition.is_in_use:
            return
        fresh = self._partition(partition.queue, partition.number, partition.count)
        with self._lock:
            queue = self._queues.get(partition.queue)
            is_ours = queue is not None and queue.partitions[partition.number] is partition
            if queue is not None and is_ours:
                queue.partitions[partition.number] = fresh
        (partition if is_ours else fresh).close()

    def _count(self, name: str) -> int:
        """Return how many partitions a queue has, made with as many as this program wants if it does not exist."""
        wanted = self._partition_count
        there = self.store.partition_count(queue_journal_name(name), wanted)
        announced = self.control.partition_count(name) if there > 1 else None
        count = there if announced is None else min(there, announced)
        if there > count:
            _LOG.warning(
                "queue %s was made with %d partitions and there are %d in %s: what other programs write into the further ones is not run",
                name,
                count,
                there,
                self.store.address,
            )
        if count != wanted != 1:
            _LOG.info("queue %s has %d partitions; the %d asked for are for new queues", name, count, wanted)
        return count

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
        """Return what has to stand before this process's first task in a partition, and announce its queue.

        Every process does both at its first use: the first genesis and the first announcement count, the others change nothing.
        """
        if partition.is_begun:
            return []
        queue = self.queue(partition.queue)
        if not queue.is_announced:
            control = self.control
            if not (control.has_replica and control.knows(partition.queue)):
                control.announce(partition.queue, partition.count)
            queue.is_announced = True
        partition.is_begun = True
        return [partition.genesis()]

    def removed(self, name: str) -> None:
        """Announce a queue again before this process's next task in it."""
        queue = self._queues.get(name)
        if queue is not None:
            queue.is_announced = False
            for partition in queue.partitions:
                partition.is_begun = False

    def begin_serving(self, partition: Partition) -> list[Command]:
        """Return the genesis if the journal has none yet; unlike a first task it announces nothing, as in Asynq."""
        with partition.replica.lock:
            has_genesis = partition.replica.fold.genesis is not None
        return [] if has_genesis else [partition.genesis()]

    def followed(self) -> list[Control | Partition]:
        """Return the journals that a replica follows here."""
        with self._lock:
            queues, controls = list(self._queues.values()), list(self._controls.values())
        every: list[Control | Partition] = [*(one for queue in queues for one in queue.partitions), *controls]
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
            opened: list[Control | Queue] = [*self._queues.values(), *self._controls.values()]
            self._queues = {}
            self._controls = {}
        for one in opened:
            one.end()  # First all: a thread that reads takes up to half a second to hear of it.
        for one in opened:
            one.close()
        self._keeper.stop()
        self.store.close()
