"""How does time pass in Redis when a test says so?

Not obvious: uniqueness locks end by Redis's own clock. So when the test lets time pass, it is taken off their ttls.
"""

from __future__ import annotations

import redis


def age_locks(database: redis.Redis, seconds: float) -> None:
    """Let this many seconds pass for the uniqueness locks of one server."""
    for key in database.keys("asynq:*:unique:*"):
        left_ms = database.pttl(key) - round(seconds * 1000)
        if left_ms > 0:
            database.pexpire(key, left_ms)
        else:
            database.delete(key)
