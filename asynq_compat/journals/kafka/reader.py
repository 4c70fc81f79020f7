"""How is a topic read as a journal, whatever the client library?

Contract: one reading thread at a time. Never jumps: an offset that the topic does not hold is an error. A broker that goes away and
comes back is waited for.
Not obvious: no client library has a call that wakes a poll, so a wait goes in slices; the fetch itself stays with the broker through them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import Batch, Entry
from asynq_compat.journals.kafka.driver import Fetcher

# A slice of kafka-python costs about 1 ms of CPU, an interrupt waits for the end of one: short while records come, long when idle.
_SLICE_MS_MIN = 50
_SLICE_MS_MAX = 500


class TopicReader:
    """Reads one topic, connected by the first read.

    Args:
        fetcher: Its consumer, which belongs to the reader from now on.
        end: Tells the offset of the topic's last record, on another connection.
        patience_s: How long what stands there may take to come.
    """

    def __init__(self, fetcher: Fetcher, end: Callable[[], int], patience_s: float) -> None:
        self._fetcher = fetcher
        self._end = end
        self._patience_s = patience_s
        self._is_connected = False
        self._held: list[Entry] = []  # Taken from the consumer but not yet given.
        self._given_upto: int | None = None  # What the last batch said.
        self._has_jumped = False  # Since the last fetch that gave something.
        self._slice_ms = _SLICE_MS_MIN
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Let the waiting or the next read return, connecting or not."""
        self._interrupted.set()
        self._fetcher.give_up()

    def read(self, after: int, wait_s: float, max_count: int, max_bytes: int) -> Batch:
        """Return the records behind `after`."""
        deadline = time.monotonic() + wait_s
        if self._interrupted.is_set() and not self._is_connected:
            self._interrupted.clear()
            return Batch([], after)
        try:
            self._stand_behind(after)
        except BrokerUnavailableError:
            if not self._is_connected and self._interrupted.is_set():
                self._interrupted.clear()
                return Batch([], after)
            raise
        while not self._held and not self._interrupted.is_set():
            left_ms = max(int((deadline - time.monotonic()) * 1000), 0)
            self._fetch(min(left_ms, self._slice_ms), max_count)
            self._slice_ms = _SLICE_MS_MIN if self._held else min(2 * self._slice_ms, _SLICE_MS_MAX)
            if left_ms == 0:
                break
        if not self._held and not self._interrupted.is_set() and (self._has_jumped or wait_s <= 0):
            self._fetch_what_is_there(max_count)
        self._interrupted.clear()
        given = self._take(max_count, max_bytes)
        self._given_upto = given[-1].position if self._held else self._fetcher.next - 1
        return Batch(given, self._given_upto)

    def _fetch_what_is_there(self, max_count: int) -> None:
        """Give a first fetch the time it needs: records that stand there are given however short the wait."""
        deadline = time.monotonic() + self._patience_s
        end = self._end()
        while not self._held and self._fetcher.next <= end and time.monotonic() < deadline:
            self._fetch(_SLICE_MS_MIN, max_count)
        self._has_jumped = False

    def _take(self, max_count: int, max_bytes: int) -> list[Entry]:
        size_bytes = count = 0
        for count, entry in enumerate(self._held, 1):
            size_bytes += len(entry.data)
            if size_bytes >= max_bytes or count == max_count:
                break
        given, self._held = self._held[:count], self._held[count:]
        return given

    def _stand_behind(self, after: int) -> None:
        if not self._is_connected:
            self._fetcher.connect()
            self._is_connected = True
        if after != self._given_upto:
            self._held = []
            self._fetcher.seek(after + 1)
            self._has_jumped = True

    def _fetch(self, timeout_ms: int, max_count: int) -> None:
        given_upto, self._given_upto = self._given_upto, None  # Whoever reads on after an error seeks anew.
        self._held = self._fetcher.fetch(timeout_ms, max_count)
        self._given_upto = given_upto
        self._has_jumped = self._has_jumped and not self._held

    def set_aside(self) -> None:
        """Leave what a forked child inherited to its parent."""
        self._fetcher.set_aside()

    def close(self) -> None:
        """Close the connection. Nobody may be reading."""
        self._fetcher.close()
        self._is_connected = False
