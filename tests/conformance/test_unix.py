"""Does the Redis broker do what every broker must over a Unix socket?"""

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


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSettings]:
    path = str(tmp_path_factory.mktemp("socket") / "redis.sock")
    server = RedisServer("--unixsocket", path)
    yield RedisSettings(network="unix", addr=path)
    server.stop()


@pytest.fixture
def queue(settings: RedisSettings) -> Iterator[QueueHarness]:
    with redis.Redis(unix_socket_path=settings.addr) as raw:
        raw.flushall()
        with redis_harness(settings, [raw]) as made:
            yield made


@pytest.mark.parametrize("scenario", scenarios("unix"), ids=lambda scenario: scenario.name)
def test_unix(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
