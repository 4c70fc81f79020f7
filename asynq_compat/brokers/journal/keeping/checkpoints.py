"""Where are the checkpoints of one journal, and what does a fold become of the newest?

Contract: thread-safe but for `load`, which the replica's thread calls. The journal of checkpoints is opened at the first need and made
only by who writes one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from asynq_compat.brokers.journal.keeping.loading import candidates, sections
from asynq_compat.errors import CorruptDataError, NewerReleaseError
from asynq_compat.journals.journal import (
    Entry,
    Journal,
    JournalStore,
    NotInJournalError,
    base_and_partition,
    state_journal_name,
)
from asynq_compat.wire.checkpoint import Confirmed

_LOG = logging.getLogger("asynq_compat.journal")

# How often the search begins anew because what was found was cut away meanwhile.
_TRIES_MAX = 5
_F = TypeVar("_F")


@dataclass(frozen=True, slots=True)
class Restored(Generic[_F]):
    """A fold as it was behind `entry`."""

    fold: _F
    entry: Entry
    confirmed: Confirmed


class Checkpoints(Generic[_F]):
    """The checkpoints of one journal.

    Args:
        store: Where the journal stands.
        name: The journal.
        sections_of: Writes a fold down.
        restore: Makes a fold of what was written.
    """

    def __init__(
        self,
        store: JournalStore,
        name: str,
        sections_of: Callable[[_F], Iterable[bytes]],
        restore: Callable[[Iterable[bytes]], _F],
    ) -> None:
        self._store = store
        self._name = state_journal_name(name)
        self.sections_of = sections_of
        self._restore = restore
        self._opening = threading.Lock()  # Guards the next two.
        self._opened: list[Journal] = []
        self._is_closed = False

    def open(self) -> Journal:
        """Open the journal of checkpoints, made if there is none; closed with this."""
        with self._opening:
            journal = self._store.open(self._name)
            self._opened.append(journal)
            is_late = self._is_closed
        if is_late:
            journal.close()
        return journal

    def load(self, journal: Journal, hear: Callable[[int], None]) -> Restored[_F] | None:
        """Return the fold of the newest checkpoint that can be loaded; None if there is none.

        Raises:
            BrokerUnavailableError: A journal does not answer.
        """
        if base_and_partition(self._name)[0] not in self._store.names():
            return None
        state = self.open()
        try:
            for _ in range(_TRIES_MAX):
                try:
                    return self._newest(journal, state, hear)
                except NotInJournalError:
                    continue
            raise CorruptDataError(f"{self._name} is cut faster than it can be read here")
        finally:
            state.close()
            with self._opening:
                self._opened.remove(state)

    def _newest(self, journal: Journal, state: Journal, hear: Callable[[int], None]) -> Restored[_F] | None:
        for found in candidates(journal, state):
            try:
                fold = self._restore(sections(state, found.confirmed, hear))
            except (NotInJournalError, NewerReleaseError):
                raise
            except CorruptDataError as error:
                _LOG.error("a checkpoint of %s is passed over: %s", journal.name, error)
            else:
                return Restored(fold, found.entry, found.confirmed)
        return None

    def close(self) -> None:
        """Close what is open. Legal twice."""
        with self._opening:
            self._is_closed = True
            opened = list(self._opened)
        for journal in opened:
            journal.close()
