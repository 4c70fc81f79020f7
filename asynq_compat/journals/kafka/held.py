"""Who holds a client of the library, from its making to its end?

Contract: thread-safe. A client is made at its first use, by one thread at a time, and ended once; `end_within` returns in time whatever
the clients are doing. What is not over by then ends in a thread of its own.
Not obvious: who is making a client when all is closed finds out afterwards, and ends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from asynq_compat.errors import AsynqError

# How long a close waits for what it ends: appends under way, and libraries that wait for brokers.
END_S = 1.5

_C = TypeVar("_C")


class Held(Generic[_C]):
    """At most one client.

    Args:
        make: Makes one; raises if that fails.
        end: Ends one.
        closed: Makes the error that is raised after `close`.
    """

    def __init__(self, make: Callable[[], _C], end: Callable[[_C], object], closed: Callable[[], AsynqError]) -> None:
        self._make = make
        self._end = end
        self._closed = closed
        self._making = threading.Lock()  # Held while one is made.
        self._lock = threading.Lock()  # Guards the next two.
        self._is_closed = False
        self._client: _C | None = None

    def get(self) -> _C:
        """Return the client, made if there is none."""
        client = self._current()
        if client is not None:
            return client
        with self._making:
            client = self._current()
            if client is not None:
                return client
            client = self._make()
            with self._lock:
                if not self._is_closed:
                    self._client = client
                    return client
        self._end(client)
        raise self._closed()

    def _current(self) -> _C | None:
        with self._lock:
            if self._is_closed:
                raise self._closed()
            return self._client

    def forget(self, client: _C) -> None:
        """Hold a client no longer that is of no more use, and is its caller's to end; another one is made for whoever asks next."""
        with self._lock:
            if self._client is client:
                self._client = None

    @property
    def is_closed(self) -> bool:
        """Whether all is over."""
        return self._is_closed

    def close(self) -> None:
        """End the client; none is made from now on. Legal twice."""
        with self._lock:
            self._is_closed = True
            client, self._client = self._client, None
        if client is not None:
            self._end(client)

    def set_aside(self) -> object:
        """Return what a forked child inherited, which belongs to its parent: neither used nor ended."""
        return self._client


class Connections:
    """All clients of a driver.

    Args:
        give_up: Lets attempts to connect fail from now on, those that are under way too.
        producer: What appends.
        others: What else there is.
    """

    def __init__(self, give_up: Callable[[], None], producer: Held[Any], *others: Held[Any]) -> None:
        self._give_up = give_up
        self._producer = producer
        self._all = (producer, *others)
        self._connecting: threading.Thread | None = None

    def connect_ahead(self) -> None:
        """Connect the producer beside whatever else is being done; a failure shows at the first append."""
        self._connecting = threading.Thread(target=self._try_to_connect, name="asynq-kafka-connect", daemon=True)
        self._connecting.start()

    def _try_to_connect(self) -> None:
        try:
            self._producer.get()
        except AsynqError:
            logging.getLogger("asynq_compat").debug("kafka producer not connected ahead", exc_info=True)

    def close(self) -> None:
        """End every client, those that are being made too. Legal twice."""
        self._give_up()
        connecting = () if self._connecting is None else (self._connecting.join,)
        end_within(END_S, *(held.close for held in self._all), *connecting)

    def set_aside(self) -> list[object]:
        """Return what a forked child inherited, which belongs to its parent: neither used nor ended."""
        return [held.set_aside() for held in self._all]


def end_within(timeout_s: float, *ends: Callable[[], object]) -> None:
    """Do all of this side by side, and wait for it so long."""
    threads = [threading.Thread(target=end, name="asynq-kafka-close", daemon=True) for end in ends]
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
