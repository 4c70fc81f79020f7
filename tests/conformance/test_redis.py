"""Does the Redis broker do what every broker must?

Not obvious: uniqueness locks end by Redis's own clock. So when the test lets time pass, it takes it off their ttls.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from asynq_compat.testing.conformance.traits import REDIS
from tests.conformance.binding import harness, noon_clock, scenarios


@pytest.fixture
def queue(redis_url: str) -> Iterator[QueueHarness]:
    clock = noon_clock()
    address, _, db = redis_url.removeprefix("redis://").partition("/")
    broker = open_redis(RedisSettings(addr=address, db=int(db)), clock)
    with redis.Redis.from_url(redis_url) as database:

        def age_locks(seconds: float) -> None:
            for key in database.keys("asynq:*:unique:*"):
                left_ms = database.pttl(key) - round(seconds * 1000)
                if left_ms > 0:
                    database.pexpire(key, left_ms)
                else:
                    database.delete(key)

        with harness(broker, clock, REDIS, let_pass=age_locks) as queue:
            yield queue
    broker.close()


@pytest.mark.parametrize("scenario", scenarios("redis"), ids=lambda scenario: scenario.name)
def test_redis(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
