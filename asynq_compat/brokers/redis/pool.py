"""Which connection does a request use?

Contract: thread-safe. The one used last first, so that few are open; at most `pool_size` at once, beyond it callers wait as long as an
answer may take and one second more, as go-redis does. A forked child begins with none: what it inherited is its parent's.
"""

from __future__ import annotations

import os
import threading

from asynq_compat.brokers.redis.connection import RedisConnection, Whereabouts, new_connection
from asynq_compat.brokers.redis.settings import RedisSettings
from asynq_compat.errors import BrokerUnavailableError


class PoolClosedError(BrokerUnavailableError):
    """The pool was closed."""


class Pool:
    """The connections to one server; `whereabouts` as in `RedisConnection`."""

    def __init__(self, settings: RedisSettings, whereabouts: Whereabouts | None = None) -> None:
        self._settings = settings
        self._whereabouts = whereabouts
        self._size = settings.pool_size or 10 * (os.cpu_count() or 1)
        self._is_closed = False
        self._begin()

    def _begin(self) -> None:
        self._places = threading.Semaphore(self._size)
        self._lock = threading.Lock()  # Guards _idle and _is_closed.
        self._idle: list[RedisConnection] = []
        self._pid = os.getpid()

    def lend(self) -> RedisConnection:
        """Return a connection, perhaps not opened yet; `give_back` it.

        Raises:
            BrokerUnavailableError: All are in use for too long, or the pool is closed.
        """
        if os.getpid() != self._pid:
            self._begin()  # The sockets are let go of without a word to Redis: their other owner talks on.
        wait_s = None if self._settings.read_timeout_s is None else self._settings.read_timeout_s + 1
        if not self._places.acquire(timeout=wait_s):
            raise BrokerUnavailableError(
                f"all {self._size} connections to redis at {self._settings.address} are in use; raise pool_size"
            )
        with self._lock:
            if self._is_closed:
                self._places.release()
                raise PoolClosedError(f"the connection to redis at {self._settings.address} was closed by this program")
            if self._idle:
                return self._idle.pop()
        return new_connection(self._settings, self._whereabouts)

    def give_back(self, connection: RedisConnection) -> None:
        """Take a connection back, open or not."""
        with self._lock:
            is_kept = not self._is_closed
            if is_kept:
                self._idle.append(connection)
        if not is_kept:
            connection.close()
        self._places.release()

    def drop_idle(self) -> None:
        """Close what is idle: when one connection broke, the others to the same Redis probably did."""
        with self._lock:
            dropped, self._idle = self._idle, []
        for connection in dropped:
            connection.close()

    def close(self) -> None:
        """Close what is idle now and the rest when it comes back. Legal twice."""
        with self._lock:
            self._is_closed = True
        self.drop_idle()
