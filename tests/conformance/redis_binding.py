"""What do the bindings of the Redis broker share, however it is connected?

Not obvious: uniqueness locks end by Redis's own clock. So when the test lets time pass, it is taken off their ttls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.traits import REDIS
from tests.conformance.binding import harness, noon_clock


@contextmanager
def redis_harness(settings: RedisSettings, servers: Sequence[redis.Redis]) -> Iterator[QueueHarness]:
    """Give a harness over the Redis at `settings`; `servers` are clients of all that hold its keys."""
    clock = noon_clock()
    broker = open_redis(settings, clock)

    def let_pass(seconds: float) -> None:
        for server in servers:
            age_locks(server, seconds)

    try:
        with harness(broker, clock, REDIS, let_pass=let_pass) as queue:
            yield queue
    finally:
        broker.close()


def age_locks(database: redis.Redis, seconds: float) -> None:
    """Let this many seconds pass for the uniqueness locks of one server."""
    for key in database.keys("asynq:*:unique:*"):
        left_ms = database.pttl(key) - round(seconds * 1000)
        if left_ms > 0:
            database.pexpire(key, left_ms)
        else:
            database.delete(key)
