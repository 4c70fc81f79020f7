"""How does an idle worker hear of a task that anybody enqueued?

Contract: `BLMOVE pending pending RIGHT RIGHT` moves the last element onto its own place: it blocks until the list has one and changes
nothing. One connection per queue, armed while its worker is idle. Used by the thread that takes; `ring` may come from any.
Not obvious: a queue whose wake-ups were in vain (another server was faster, or it is paused) is armed again later and later, up to
the server's check interval. A Redis before 6.2 does not know the command, an ACL may not allow it: then the wait ends after 0.5 to 1.5 times
that interval, as Asynq's.
Source: docs/architecture.md, "the blocking peek"; docs/semantics.md, "processor".
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Sequence

from redis import exceptions

from asynq_compat.brokers.redis.commands import Refusal, command
from asynq_compat.brokers.redis.connection import RedisConnection
from asynq_compat.brokers.redis.keys import QueueKeys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.waking import Waker, readable
from asynq_compat.errors import AsynqError

_BLOCK_S = 5  # So that Redis lets go of connections whose client vanished.
_SILENCE_MAX_S = (
    2 * _BLOCK_S
)  # After it the connection is dead, whatever TCP says: the other end answers when it has blocked long enough.
_BACKOFF_MIN_S = 0.008
# A connection that broke is made anew at once, then after this, then later and later.
_RECONNECT_MIN_S = 0.125
_RECONNECT_MAX_S = 1.0


class Peek:
    """The wait for one queue."""

    def __init__(self, link: Link, keys: QueueKeys, backoff_max_s: float) -> None:
        self._link = link
        self._backoff_max_s = max(backoff_max_s, _BACKOFF_MIN_S)
        self._key = keys.pending
        self._command = command(b"BLMOVE", keys.pending, keys.pending, b"RIGHT", b"RIGHT", _BLOCK_S).packed
        self._connection: RedisConnection | None = None
        self._is_armed = False
        self._armed_at = 0.0
        self._backoff_s = 0.0
        self._reconnect_s = 0.0
        self._has_rung = False
        self.arm_at = 0.0
        self.is_unsupported = False

    @property
    def source(self) -> socket.socket | None:
        """What to wait for; None when it is not armed."""
        return self._connection.socket if self._is_armed and self._connection is not None else None

    def arm(self, now: float) -> None:
        """Ask Redis to tell of the next task, unless it was asked or it is too early."""
        if self._has_rung:  # And the worker is idle again: it was in vain.
            self._has_rung = False
            self._backoff_s = min(max(2 * self._backoff_s, _BACKOFF_MIN_S), self._backoff_max_s)
            self.arm_at = now + self._backoff_s
        if self._is_armed and now > self._armed_at + _SILENCE_MAX_S:
            self._fail(now)
        if self._is_armed or self.is_unsupported or now < self.arm_at:
            return
        try:
            if self._connection is None:
                self._connection = self._link.dedicated(self._key)
            self._connection.send(self._command)
            self._is_armed, self._armed_at = True, now
        except (exceptions.RedisError, OSError, AsynqError):
            self._fail(now)

    def hear(self, now: float) -> bool:
        """Read what came; return True when it is worth asking: the queue has a task, or the connection broke."""
        assert self._connection is not None
        try:
            if not self._connection.has_answer():
                return False  # TLS of its own, no answer.
            answer = self._connection.receive()
        except (exceptions.RedisError, OSError):
            self._fail(now)
            return True  # Whoever asks next hears of the outage.
        self._is_armed = False
        if isinstance(answer, Refusal):
            self._link.heed(answer)
            self.is_unsupported = answer.code == "NOPERM" or "unknown command" in answer.text
            self._fail(now)
            return False
        self._reconnect_s = 0.0
        self._has_rung = answer is not None
        return self._has_rung

    def found(self) -> None:
        """Note that the last wake-up was worth it."""
        self._has_rung = False
        self._backoff_s = 0.0

    def close(self) -> None:
        """Close the connection. Legal twice."""
        self._is_armed = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fail(self, now: float) -> None:
        self.close()
        self.arm_at = now + self._reconnect_s
        self._reconnect_s = min(max(2 * self._reconnect_s, _RECONNECT_MIN_S), _RECONNECT_MAX_S)


class Bell:
    """Waits for a task in any of some queues."""

    def __init__(self, link: Link, queues: Sequence[QueueKeys], check_interval_s: float) -> None:
        self._peeks = [Peek(link, keys, check_interval_s) for keys in queues]
        self._check_interval_s = check_interval_s
        self._waker = Waker()
        self._in_use = threading.Lock()  # Held while `wait` runs.
        self._is_closed = False

    def wait(self, timeout_s: float) -> None:
        """Return when there may be a task, after `ring`, or after `timeout_s` at the latest."""
        with self._in_use:
            self._wait(timeout_s)

    def _wait(self, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        poll_s = self._check_interval_s * (0.5 + random.random())  # Asynq's.
        while (now := time.monotonic()) < until and not self._is_closed:
            if any(peek.is_unsupported for peek in self._peeks):
                until = min(until, now + poll_s)
                poll_s = timeout_s
            for peek in self._peeks:
                peek.arm(now)
            by_source = {peek.source: peek for peek in self._peeks if peek.source is not None}
            unarmed = [peek.arm_at for peek in self._peeks if peek.source is None and not peek.is_unsupported]
            ready = readable([self._waker.source, *filter(None, by_source)], min([until, *unarmed]) - now)
            if self._waker.source in ready:
                self._waker.calm()
                return
            now = time.monotonic()
            # Each is heard, also after the first that has a task.
            if True in {by_source[source].hear(now) for source in ready}:
                return

    def found(self) -> None:
        """Note that tasks were taken: the next wait begins without back-off."""
        for peek in self._peeks:
            peek.found()

    def ring(self) -> None:
        """End a wait. From any thread."""
        self._waker.wake()

    def close(self) -> None:
        """End a wait and close all connections. Legal twice."""
        self._is_closed = True
        self.ring()
        with self._in_use:
            for peek in self._peeks:
                peek.close()
            self._waker.close()
