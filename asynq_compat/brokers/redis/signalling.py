"""How does a cancellation travel through Redis?

Contract: published on ``asynq:cancel``, message = task id. Publishing is thread-safe; a feed belongs to one thread, `close` may come from
another. A feed that is quiet sends a ping now and then, so that a dead connection is noticed.
Source: docs/semantics.md, "signals".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from redis import exceptions

from asynq_compat.brokers.redis.commands import as_bytes, command
from asynq_compat.brokers.redis.connection import RedisConnection
from asynq_compat.brokers.redis.keys import CANCEL_CHANNEL
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.waking import Waker, readable
from asynq_compat.errors import BrokerUnavailableError

_PING_AFTER_S = 3.0  # As go-redis.


class RedisSignalling:
    """The signalling port. Thread-safe."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def publish_cancelation(self, task_id: str) -> None:
        """Ask whoever runs the task to cancel it. No receiver is no error."""
        self._link.ask(command(b"PUBLISH", CANCEL_CHANNEL, task_id.encode()))

    def subscribe_cancelations(self) -> RedisCancelationFeed:
        """Hear cancellations published from now on; the subscription stands when this returns."""
        connection = self._link.dedicated()
        try:
            connection.send(command(b"SUBSCRIBE", CANCEL_CHANNEL).packed)
            self._link.accept(connection.receive())
        except (exceptions.RedisError, OSError) as error:
            connection.close()
            raise BrokerUnavailableError(f"cannot subscribe at redis {self._link.address}: {error}") from error
        except BaseException:
            connection.close()
            raise
        return RedisCancelationFeed(connection, self._link.address)


class RedisCancelationFeed:
    """A subscription."""

    def __init__(self, connection: RedisConnection, address: str) -> None:
        self._connection = connection
        self._address = address
        self._waker = Waker()
        self._is_closed = False
        self._in_use = threading.Lock()  # Held while `next` runs.
        self._heard_at = time.monotonic()
        self._pinged_at: float | None = None

    def next(self, wait_s: float) -> Sequence[str]:
        """Return ids of tasks to cancel, in order; empty after `wait_s` without any, or after `close`."""
        until = time.monotonic() + wait_s
        with self._in_use:
            while not self._is_closed:
                found = self._read()
                now = time.monotonic()
                if found or now >= until:
                    return found
                source = self._connection.socket
                if source is None:
                    raise BrokerUnavailableError(f"the subscription at redis {self._address} broke; subscribe again")
                self._keep_alive(now)
                readable([source, self._waker.source], min(until - now, _PING_AFTER_S))
        return ()

    def close(self) -> None:
        """End the subscription; a blocked `next` returns. Legal twice."""
        self._is_closed = True
        self._waker.wake()
        with self._in_use:
            self._connection.close()
            self._waker.close()

    def _read(self) -> list[str]:
        found: list[str] = []
        try:
            while self._connection.has_answer():
                answer = self._connection.receive()
                kind, *rest = answer if isinstance(answer, list) else [None]
                self._heard_at, self._pinged_at = time.monotonic(), None
                if kind == b"message":
                    found.append(as_bytes(rest[1]).decode("utf-8", "replace"))
        except (exceptions.RedisError, OSError) as error:
            raise BrokerUnavailableError(
                f"the subscription at redis {self._address} broke: {error}; subscribe again"
            ) from error
        return found

    def _keep_alive(self, now: float) -> None:
        if self._pinged_at is not None and now - self._pinged_at > 2 * _PING_AFTER_S:
            self._connection.close()
            raise BrokerUnavailableError(f"no answer from redis at {self._address} to a ping; subscribe again")
        if self._pinged_at is None and now - self._heard_at >= _PING_AFTER_S:
            self._pinged_at = now
            try:
                self._connection.send(command(b"PING").packed)
            except (exceptions.RedisError, OSError) as error:
                raise BrokerUnavailableError(
                    f"the subscription at redis {self._address} broke: {error}; subscribe again"
                ) from error
