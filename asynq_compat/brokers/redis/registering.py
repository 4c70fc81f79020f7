"""How does a server make itself known in Redis?

Contract: the transition `write_server_state`; thread-safe. What is written vanishes after its ttl.
Source: docs/semantics.md, "state".
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.brokers.redis.commands import command
from asynq_compat.brokers.redis.keys import SERVERS, WORKERS, server_key, workers_key
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.server_info import ServerInfo, WorkerInfo, encode_server_info, encode_worker_info


class RedisRegistering:
    """The registering port. Thread-safe."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def write_server_state(self, info: ServerInfo, workers: Sequence[WorkerInfo], ttl_s: int) -> None:
        """Publish the server and what its workers do, for `ttl_s` seconds."""
        server = server_key(info.host, info.pid, info.server_id)
        running = workers_key(info.host, info.pid, info.server_id)
        expires_at = self._clock.now_ns() // 1_000_000_000 + ttl_s
        pairs = [part for worker in workers for part in (worker.task_id.encode(), encode_worker_info(worker))]
        commands = [
            command(b"ZADD", SERVERS, expires_at, server),
            command(b"ZADD", WORKERS, expires_at, running),
            script("server_state")([server, running], [b"%d" % ttl_s, encode_server_info(info), *pairs]),
        ]
        for answer in self._link.run(commands).answers:
            self._link.accept(answer)

    def clear_server_state(self, info: ServerInfo) -> None:
        """Withdraw what was published for this host, pid and server id."""
        server = server_key(info.host, info.pid, info.server_id)
        running = workers_key(info.host, info.pid, info.server_id)
        commands = [
            command(b"ZREM", SERVERS, server),
            command(b"ZREM", WORKERS, running),
            command(b"DEL", server, running),
        ]
        for answer in self._link.run(commands).answers:
            self._link.accept(answer)
