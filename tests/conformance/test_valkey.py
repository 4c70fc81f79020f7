"""Does the Redis broker do what every broker must on Valkey?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import scenarios
from tests.conformance.redis_binding import redis_harness
from tests.services.redis import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture
def queue(valkey_server: RedisServer) -> Iterator[QueueHarness]:
    with redis.Redis(port=valkey_server.port) as database:
        database.flushall()
        with redis_harness(RedisSettings(addr=valkey_server.addr), [database]) as made:
            yield made


@pytest.mark.parametrize("scenario", scenarios("valkey"), ids=lambda scenario: scenario.name)
def test_valkey(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
