"""Whose turn is it to write a checkpoint, and when?

Contract: one thread a process, begun when the process has a session or publishes a server. It looks at each journal that is followed here:
the keeper, rank 0, writes a checkpoint when the tail is longer than the last one (and than a minimum), rank r when it is r + 1 times as
long. A failure is told and tried again later; nothing waits for this thread.
Not obvious: a large state is written by a process of its own (apart.py), since this process's handlers would stand still for as long.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from asynq_compat.brokers.journal.following.followed import Control, Partition
from asynq_compat.brokers.journal.keeping.apart import checkpoint_apart
from asynq_compat.brokers.journal.keeping.checkpointing import drive
from asynq_compat.brokers.journal.keeping.cutting import cut
from asynq_compat.brokers.journal.keeping.loading import newest_size
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.errors import AsynqError, ServerStateError
from asynq_compat.journals.journal import Journal
from asynq_compat.wire import command
from asynq_compat.wire.checkpoint import Confirmed

_LOG = logging.getLogger("asynq_compat.journal")


_AGAIN_S_MIN, _AGAIN_S_MAX = 5.0, 300.0


def checkpoint(
    one: Control | Partition, state: Journal, at: Callable[[str], None] = lambda _: None
) -> Confirmed | None:
    """Write a checkpoint of a journal as it is now and cut what it makes superfluous; None if another's was newer.

    Args:
        one: The journal; followed here.
        state: The journal of its checkpoints.
        at: Hears of each step when it is done.

    Raises:
        BrokerUnavailableError: A journal does not answer.
    """
    snapshot = one.snapshot()
    if snapshot is None:
        return None

    def mark(marker: command.Command) -> bool:
        ticket = one.commit([marker], size_bytes=128, needs_outcomes=True)
        return ticket.outcomes == [command.OK]

    confirmed = drive(snapshot, state, mark, at)
    if confirmed is None:
        return None
    replica = one.replica
    replica.checkpoint = confirmed
    with replica.lock:
        before = replica.fold.marker_before
    for step in cut(one.journal, state, confirmed, before, replica.tail.stays_from):
        at(step)
    return confirmed


class Keeper:
    """Looks after the journals that this process follows.

    Args:
        followed: Gives them.
        keeping: When checkpoints are due.
    """

    def __init__(self, followed: Callable[[], Sequence[Control | Partition]], keeping: Keeping) -> None:
        self._followed = followed
        self._keeping = keeping
        self._closed = threading.Event()
        self._starting = threading.Lock()  # Guards the thread's making.
        self._thread: threading.Thread | None = None
        # Owned by the thread.
        self._states: dict[str, tuple[object, Journal]] = {}  # With whose checkpoints they are.
        self._failed_count: dict[str, int] = {}
        self._waits: dict[str, float] = {}

    def start(self) -> None:
        """Begin to look. Legal twice."""
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="asynq-keeper", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Begin nothing more, do not wait."""
        with self._starting:
            self._closed.set()

    def stop(self) -> None:
        """Look no more; returns when the thread has ended. Legal twice, and before the start."""
        self.end()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10.0)

    def run_once(self) -> None:
        """Look at each journal once."""
        for one in self._followed():
            name = one.journal.name
            waits_s = self._waits.get(name, 0.0)
            if self._closed.is_set() or waits_s > one.clock.monotonic_s():
                continue
            try:
                if self._is_due(one):
                    self._write(one)
                self._failed_count.pop(name, None)
            except ServerStateError:
                pass  # Closed meanwhile.
            except AsynqError as failure:
                if self._closed.is_set():
                    return  # What was being written was given up by the end itself.
                failed_count = self._failed_count[name] = self._failed_count.get(name, 0) + 1
                again_s = min(_AGAIN_S_MIN * 2**failed_count, _AGAIN_S_MAX)
                self._waits[name] = one.clock.monotonic_s() + again_s
                _LOG.warning("no checkpoint of %s was written, tried again in %d s: %s", name, again_s, failure)

    def _run(self) -> None:
        while not self._closed.wait(self._keeping.look_every_s):
            try:
                self.run_once()
            except Exception:  # noqa: BLE001 - the top of a thread
                _LOG.exception("the keeper failed")
                self._closed.wait(_AGAIN_S_MAX)

    def _is_due(self, one: Control | Partition) -> bool:
        replica = one.replica
        with replica.lock:
            rank = one.rank()
            marker = replica.fold.marker
        if rank is None:
            return False
        tail_bytes = replica.tail.size_bytes
        if tail_bytes <= self._keeping.tail_bytes_min * (rank + 1):
            return False
        return tail_bytes > (rank + 1) * self._size_of(one, None if marker is None else marker.position)

    def _size_of(self, one: Control | Partition, position: int | None) -> int:
        """Return the size of the last checkpoint."""
        known = one.replica.checkpoint
        if position is None:
            return 0
        if known is not None and known.position >= position:
            return known.size_bytes
        return newest_size(self._state_of(one))

    def _state_of(self, one: Control | Partition) -> Journal:
        name = one.journal.name
        owner, state = self._states.get(name, (None, None))
        if state is None or owner is not one.checkpoints:
            state = one.checkpoints.open()
            self._states[name] = one.checkpoints, state
        return state

    def _write(self, one: Control | Partition) -> None:
        opens = one.store.opens_elsewhere()
        if opens is not None and one.state_bytes() > self._keeping.inline_bytes_max:
            is_accepted = checkpoint_apart(opens, one.journal.name, one.replica.tail.stays_from, self._closed)
        else:
            is_accepted = checkpoint(one, self._state_of(one)) is not None
        if is_accepted:
            _LOG.info("a checkpoint of %s was written", one.journal.name)
