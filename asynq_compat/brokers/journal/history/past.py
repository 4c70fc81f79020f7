"""How is a queue's journal read from its beginning up to a moment?

Contract: a handle of its own on the journal: what else this process does with it is not disturbed. What is written meanwhile does not
count: the end is asked for once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Self

from asynq_compat.brokers.journal.following.spill import Spill
from asynq_compat.brokers.journal.keeping.folding import check_version
from asynq_compat.brokers.journal.keeping.loading import candidates, sections
from asynq_compat.errors import BrokerUnavailableError, CorruptDataError, InvalidArgumentError, QueueNotFoundError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Entry, JournalStore, queue_journal_name, state_journal_name
from asynq_compat.machine.applied import Applied
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.ports.history import Moment, Progress
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.instants import instant_of

_PROGRESS_EVERY = 16
_POLL_S = 1.0
# What is read here stands there: so long is waited for a slow answer.
_WAIT_S = 10.0
_FEW = 10


def partition_count(store: JournalStore, queue: str) -> int:
    """Return how many partitions a queue has.

    Raises:
        QueueNotFoundError: There is no such queue.
    """
    name = queue_journal_name(queue)
    if name not in store.names():
        raise QueueNotFoundError(f"NOT_FOUND: queue {go_quoted(queue)} does not exist")
    return store.partition_count(name, 1)


class Past:
    """One partition of a queue, opened for reading. ``with Past(...) as past:`` closes it.

    Args:
        store: Where it stands.
        queue: The queue.
        partition: Its number; None where the queue has only one.
        versions: See `Machine`.

    Attributes:
        partition_count: Of the queue.
        first: The position at which it begins.
        end: The position up to which it stood when it was opened.
    """

    def __init__(self, store: JournalStore, queue: str, partition: int | None, versions: Versions = VERSIONS) -> None:
        self.partition_count = partition_count(store, queue)
        if partition is None and self.partition_count > 1:
            raise InvalidArgumentError(
                f"queue {go_quoted(queue)} has {self.partition_count} partitions; say which one, partition 0 to {self.partition_count - 1} (--partition N)"
            )
        if partition is not None and not 0 <= partition < self.partition_count:
            raise InvalidArgumentError(
                f"queue {go_quoted(queue)} has no partition {partition}; its partitions are 0 to {self.partition_count - 1}"
            )
        self.queue = queue
        self.versions = versions
        self.partition = partition or 0
        self.name = queue_journal_name(queue, self.partition)
        self._store = store
        self._begins_behind: Entry | None = None
        self._journal = store.open(self.name)
        self.first = self._journal.first()
        self.end = self._journal.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    @property
    def cut_before(self) -> int | None:
        """From where on everything is known, if the journal's oldest entries were cut off."""
        return None if self._begins_behind is None else self._begins_behind.position + 1

    def fresh(self) -> Machine:
        """Return a machine that knows what was before the first of `entries`.

        Raises:
            CorruptDataError: The journal was cut, and no checkpoint tells what was before.
        """
        if self.first == BEFORE_THE_FIRST + 1:
            return Machine(self.queue, versions=self.versions, attic=Spill(self.name))
        if state_journal_name(queue_journal_name(self.queue)) in self._store.names():
            state = self._store.open(state_journal_name(self.name))
            try:
                # The oldest one reaches farthest back.
                for one in reversed(list(candidates(self._journal, state))):
                    self._begins_behind = one.entry
                    attic = Spill(self.name)
                    return restore(self.queue, sections(state, one.confirmed), versions=self.versions, attic=attic)
            finally:
                state.close()
        raise CorruptDataError(
            f"the journal of queue {go_quoted(self.queue)} was cut before position {self.first}, and no checkpoint tells its state there; "
            "look at its entries with `asynq-compat journal tail`"
        )

    def check_reaches(self, moment: Moment) -> None:
        """Refuse a moment of which nothing is known any more.

        Raises:
            InvalidArgumentError: It lies before what a machine from `fresh` knows.
        """
        if self._begins_behind is not None and is_behind(self._begins_behind, moment):
            raise InvalidArgumentError(
                f"the journal of queue {go_quoted(self.queue)} was cut: its state is known from position "
                f"{self._begins_behind.position} on; choose a later moment"
            )

    def entries(self, progress: Progress) -> Iterator[Entry]:
        """Yield all entries that a machine from `fresh` does not know."""
        known = BEFORE_THE_FIRST if self._begins_behind is None else self._begins_behind.position
        for count, entry in enumerate(self._stored()):
            if count % _PROGRESS_EVERY == 0:
                progress(entry.position - self.first, self.end - self.first)
            if entry.position > known:
                yield entry

    def _stored(self) -> Iterator[Entry]:
        after = self.first - 1
        while after < self.end:
            batch = self._journal.read(after, wait_s=_WAIT_S)
            if batch.upto == after:
                raise BrokerUnavailableError(
                    f"{self._journal.name} gave nothing behind position {after} within {_WAIT_S:g} s; try again"
                )
            yield from (entry for entry in batch.entries if entry.position <= self.end)
            after = batch.upto

    def since(self, moment: Moment, *, follows: bool) -> Iterator[Entry]:
        """Yield the entries from a moment on, None for the last few; `follows` goes on for ever."""
        if isinstance(moment, datetime):
            yield from (entry for entry in self._stored() if instant_of(entry.timestamp_ms * 1_000_000) >= moment)
            after = self.end
        else:
            start = self.end - _FEW + 1 if moment is None else moment
            after = max(start, self.first) - 1
        while follows or after < self.end:
            batch = self._journal.read(after, wait_s=_POLL_S if follows else 0.0)
            yield from batch.entries
            if not follows and batch.upto == after:
                return
            after = batch.upto


def is_behind(entry: Entry, moment: Moment) -> bool:
    """Return whether an entry stands behind a moment; none is behind None, the end."""
    if isinstance(moment, datetime):
        return instant_of(entry.timestamp_ms * 1_000_000) > moment
    return moment is not None and entry.position > moment


def apply(machine: Machine, entry: Entry) -> Applied:
    """Let a machine take an entry.

    Raises:
        NewerReleaseError: From here on a machine version holds that this release does not know.
    """
    applied = machine.apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, entry.headers)
    check_version(machine, queue_journal_name(machine.queue))
    return applied
