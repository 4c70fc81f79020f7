"""How does a link to a master follow it to another server?

Contract: as `ServerLink`; thread-safe. A thread, begun with the first request of a process and ended by `close`, listens to one sentinel; when
the master changes, all connections are left, those that wait too.
Not obvious: without the thread all would go on, but a master that was demoted and lives would be given tasks until its sentinels tell it.
Source: docs/redis.md, "Sentinel".
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence

from asynq_compat.brokers.redis.commands import Command, command
from asynq_compat.brokers.redis.connection import RedisConnection
from asynq_compat.brokers.redis.link import Exchange, ServerLink
from asynq_compat.brokers.redis.node import FAILURES, Node
from asynq_compat.brokers.redis.sentinels import Sentinels
from asynq_compat.brokers.redis.settings import RedisSettings
from asynq_compat.brokers.redis.waking import Waker, readable
from asynq_compat.errors import AsynqError

_PING_AFTER_S = 5.0
_AGAIN_AFTER_S = 1.0
_JOIN_S = 2.0


class FailoverLink(ServerLink):
    """The way to the master that some sentinels watch."""

    def __init__(self, settings: RedisSettings) -> None:
        self._sentinels = Sentinels(settings)
        super().__init__(settings, self._sentinels.master)
        self._starting = threading.Lock()
        self._pid = 0
        self._watch: _Watch | None = None

    def run(self, commands: Sequence[Command]) -> Exchange:
        """Send `commands`; see `Link`."""
        if self._pid != os.getpid():
            self._begin()
        return super().run(commands)

    def close(self) -> None:
        """Close all connections and end the thread. Legal twice."""
        super().close()
        watch, self._watch = self._watch, None
        if watch is not None and self._pid == os.getpid():
            watch.end()

    def _begin(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # Another thread is about to; or was, when this process was forked.
        try:
            if self._pid != os.getpid() and not self.is_closed.is_set():
                self._watch = _Watch(self._sentinels, self.node)
                self._watch.start()
                self._pid = os.getpid()
        finally:
            self._starting.release()


class _Watch(threading.Thread):
    """Listens to one sentinel after the other."""

    def __init__(self, sentinels: Sentinels, node: Node) -> None:
        super().__init__(name="asynq-sentinels", daemon=True)
        self._sentinels = sentinels
        self._node = node
        self._waker = Waker()
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.is_set():
            found = self._sentinels.subscribe()
            if found is not None:
                address, connection = found
                with contextlib.suppress(*FAILURES, AsynqError):
                    self._compare()
                    self._listen(address, connection)
                connection.close()
            self._is_over.wait(_AGAIN_AFTER_S)
        self._waker.close()

    def end(self) -> None:
        """End it; whoever dials a sentinel that says nothing ends a little later."""
        self._is_over.set()
        self._waker.wake()
        self.join(_JOIN_S)

    def _compare(self) -> None:
        """Look whether the master changed while nobody listened."""
        before = self._sentinels.found
        if self._sentinels.master() != before and before is not None:
            self._node.move()

    def _listen(self, address: str, connection: RedisConnection) -> None:
        """Follow the news until the connection breaks."""
        is_asked = False
        while not self._is_over.is_set() and connection.socket is not None:
            if not readable([connection.socket, self._waker.source], _PING_AFTER_S):
                if is_asked:
                    return  # It is dead.
                connection.send(command(b"PING").packed)
                is_asked = True
            while not self._is_over.is_set() and connection.has_answer():
                is_asked = False
                if self._sentinels.concerns(connection.receive()):
                    self._sentinels.prefer(address)
                    self._node.move()
