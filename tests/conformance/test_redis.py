"""Does the Redis broker do what every broker must?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import scenarios
from tests.conformance.redis_binding import redis_harness


@pytest.fixture
def queue(redis_url: str) -> Iterator[QueueHarness]:
    address, _, db = redis_url.removeprefix("redis://").partition("/")
    with (
        redis.Redis.from_url(redis_url) as database,
        redis_harness(RedisSettings(addr=address, db=int(db)), [database]) as made,
    ):
        yield made


@pytest.mark.parametrize("scenario", scenarios("redis"), ids=lambda scenario: scenario.name)
def test_redis(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
