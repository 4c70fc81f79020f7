"""Who reads a queue's journal while it is written, so that nothing is missed though it is cut?

Contract: one thread with connections of its own reads every entry once, another one feeds the histories. An outage is waited for. Entries
that were cut before they were read, and whatever else ends a thread, are told by `finish`.
Not obvious: a keeper may cut what is some seconds old. So who reads does nothing else; folding may lag behind, on a busy machine for long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Entry, Journal, queue_journal_name
from tests.chaos.histories import Histories
from tests.interop.keeper_story import store_of
from tests.services.waiting import wait_until

_READ_S = 0.5
_AGAIN_S = 0.1
_CAUGHT_UP_WITHIN_S = 300.0
_END_S = 30.0


class Recorder:
    """Follows the journal of one partition of a queue from its beginning, until `finish`.

    Attributes:
        histories: What it has read; to be asked after `finish`.
    """

    def __init__(self, url: str, queue: str, partition: int) -> None:
        self.histories = Histories(queue)
        self._store = store_of(url)
        self._journal: Journal = self._store.open(queue_journal_name(queue, partition))
        self._read: SimpleQueue[Sequence[Entry] | None] = SimpleQueue()  # None: nothing more comes.
        self._upto = BEFORE_THE_FIRST
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(what,), name=f"recorder-{what.__name__}", daemon=True)
            for what in (self._follow, self._fold)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception as failure:  # noqa: BLE001 - the top of a thread; told by `finish`
            self._failure = failure

    def _follow(self) -> None:
        upto = BEFORE_THE_FIRST
        while not self._ended.is_set():
            try:
                batch = self._journal.read(upto, wait_s=_READ_S)
            except BrokerUnavailableError:
                self._ended.wait(_AGAIN_S)
            else:
                upto = batch.upto
                self._read.put(batch.entries)
                self._upto = upto

    def _fold(self) -> None:
        while (entries := self._read.get()) is not None:
            for entry in entries:
                self.histories.take(entry)

    def finish(self) -> list[str]:
        """Read what stands in the journal now, and end; return what went wrong."""
        end = self._journal.end()
        self._wait_until(lambda: self._upto >= end, "the recorder has read all")
        self._read.put(None)
        self._wait_until(lambda: not self._threads[1].is_alive(), "the recorder has folded all")
        self.close()
        return [] if self._failure is None else [f"the journal was not read to its end: {self._failure!r}"]

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        wait_until(lambda: is_so() or self._failure is not None, what, _CAUGHT_UP_WITHIN_S)

    def close(self) -> None:
        """End the threads and close its connections. Legal twice."""
        self._ended.set()
        self._read.put(None)
        self._journal.interrupt()
        for thread in self._threads:
            thread.join(_END_S)
        self._store.close()
