"""Who reads a queue's journal while it is written, so that nothing is missed though it is cut?

Contract: one thread with connections of its own reads every entry once and feeds the histories. An outage is waited for. Entries that were
cut before they were read, and whatever else ends the thread, are told by `finish`.
"""

from __future__ import annotations

import threading

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Journal, queue_journal_name
from tests.chaos.histories import Histories
from tests.interop.keeper_story import store_of
from tests.services.waiting import wait_until

_READ_S = 0.5
_AGAIN_S = 0.1
_CAUGHT_UP_WITHIN_S = 60.0


class Recorder:
    """Follows the journal of one partition of a queue from its beginning, until `finish`.

    Attributes:
        histories: What it has read; to be asked after `finish`.
    """

    def __init__(self, url: str, queue: str, partition: int) -> None:
        self.histories = Histories(queue)
        self._store = store_of(url)
        self._journal: Journal = self._store.open(queue_journal_name(queue, partition))
        self._upto = BEFORE_THE_FIRST
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                batch = self._journal.read(self._upto, wait_s=_READ_S)
                for entry in batch.entries:
                    self.histories.take(entry)
                self._upto = batch.upto
            except BrokerUnavailableError:
                self._ended.wait(_AGAIN_S)
            except Exception as failure:  # noqa: BLE001 - the top of a thread; told by `finish`
                self._failure = failure
                return

    def finish(self) -> list[str]:
        """Read what stands in the journal now, and end; return what went wrong."""
        end = self._journal.end()
        wait_until(
            lambda: self._upto >= end or self._failure is not None, "the recorder has read all", _CAUGHT_UP_WITHIN_S
        )
        self.close()
        return [] if self._failure is None else [f"the journal was not read to its end: {self._failure!r}"]

    def close(self) -> None:
        """End the thread and close its connections. Legal twice."""
        self._ended.set()
        self._journal.interrupt()
        self._thread.join(10)
        self._store.close()
