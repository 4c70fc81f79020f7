"""On what do Go and we stand beside each other?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.inspector import Inspector
from asynq_compat.testing.clock import VirtualClock
from tests.differential.go_side import GoSide
from tests.differential.world import Ground
from tests.interop.go_oracle import Oracle
from tests.services.redis import RedisServer

_DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture(scope="package")
def differential_redis() -> Iterator[RedisServer]:
    """A Redis of its own: its databases are emptied all the time."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def ground(differential_redis: RedisServer, go_program: Callable[[str], Path]) -> Iterator[Ground]:
    """Go's rdb on database 0, our Redis broker on database 1, one clock for both: today at noon."""
    clock = VirtualClock(time.time_ns() // _DAY_NS * _DAY_NS + _DAY_NS // 2)
    ours_db = redis.Redis(port=differential_redis.port, db=1)
    go_db = redis.Redis(port=differential_redis.port, db=0)
    ours, inspected = (
        open_redis(RedisSettings(addr=f"127.0.0.1:{differential_redis.port}", db=1), clock) for _ in range(2)
    )
    with Oracle(go_program("oracle")) as oracle:
        go = GoSide(oracle, f"redis://127.0.0.1:{differential_redis.port}/0")
        yield Ground(go, ours, clock, ours_db, go_db, Inspector(inspected))
    ours.close()
    inspected.close()
    ours_db.close()
    go_db.close()
