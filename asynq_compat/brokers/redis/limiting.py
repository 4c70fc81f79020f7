"""How do semaphores stand in Redis?

Contract: the transition `acquire_token`, under Go's keys, so that Go's processes and ours share one semaphore. Thread-safe.
Not obvious: a semaphore belongs to no queue, so its key has no hash tag.
Source: docs/semantics.md, "acquire_token".
"""

from __future__ import annotations

from asynq_compat.brokers.redis.commands import as_int, command
from asynq_compat.brokers.redis.keys import SEMAPHORE_PREFIX
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.rules.clock import Clock


class RedisLimiting:
    """The limiting port. Thread-safe."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def acquire(self, scope: str, max_tokens: int, task_id: str, deadline_s: int) -> bool:
        """Let the task hold a token of the scope; False when `max_tokens` are held."""
        now_s = self._clock.now_ns() // 1_000_000_000
        arguments = [b"%d" % max_tokens, b"%d" % now_s, b"%d" % deadline_s, task_id.encode()]
        return as_int(self._link.ask(script("acquire_token")([_key(scope)], arguments))) == 1

    def release(self, scope: str, task_id: str) -> bool:
        """Give the task's token back; False when it holds none."""
        return as_int(self._link.ask(command(b"ZREM", _key(scope), task_id.encode()))) == 1


def _key(scope: str) -> bytes:
    return SEMAPHORE_PREFIX + scope.encode()
