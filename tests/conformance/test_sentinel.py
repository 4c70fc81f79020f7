"""Does the Redis broker do what every broker must, where sentinels say which server it is?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import scenarios
from tests.conformance.redis_binding import redis_harness
from tests.services.sentinel import MASTER_NAME, SentinelSet

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def watched() -> Iterator[SentinelSet]:
    made = SentinelSet(is_lasting=True)
    yield made
    made.stop()


@pytest.fixture
def queue(watched: SentinelSet) -> Iterator[QueueHarness]:
    settings = RedisSettings(sentinels=tuple(watched.addrs), master_name=MASTER_NAME)
    with watched.connect(watched.master) as raw:
        raw.flushall()
        with redis_harness(settings, [raw]) as made:
            yield made


@pytest.mark.parametrize("scenario", scenarios("sentinel"), ids=lambda scenario: scenario.name)
def test_sentinel(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
