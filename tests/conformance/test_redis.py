"""Does the Redis broker do what every broker must?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from asynq_compat.testing.conformance.traits import REDIS
from tests.conformance.binding import harness, noon_clock, scenarios
from tests.conformance.redis_time import age_locks


@pytest.fixture
def queue(redis_url: str) -> Iterator[QueueHarness]:
    clock = noon_clock()
    address, _, db = redis_url.removeprefix("redis://").partition("/")
    broker = open_redis(RedisSettings(addr=address, db=int(db)), clock)
    with (
        redis.Redis.from_url(redis_url) as database,
        harness(broker, clock, REDIS, let_pass=lambda seconds: age_locks(database, seconds)) as queue,
    ):
        yield queue
    broker.close()


@pytest.mark.parametrize("scenario", scenarios("redis"), ids=lambda scenario: scenario.name)
def test_redis(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
