"""Does the Redis broker do what every broker must over TLS, where answers come in records and not as they were written?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import redis

from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import scenarios
from tests.conformance.redis_binding import redis_harness
from tests.services.certificates import Certificates
from tests.services.redis_secure import SecureRedis

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisSettings, SecureRedis]]:
    certificates = Certificates(tmp_path_factory.mktemp("tls") / "made")
    server = SecureRedis(certificates)
    context = ssl.create_default_context(cafile=str(certificates.ca))
    yield RedisSettings(addr=server.tls_addr, tls=context), server
    server.stop()


@pytest.fixture
def queue(settings: tuple[RedisSettings, SecureRedis]) -> Iterator[QueueHarness]:
    given, server = settings
    with redis.Redis(port=server.port) as raw:
        raw.flushall()
        with redis_harness(given, [raw]) as made:
            yield made


@pytest.mark.parametrize("scenario", scenarios("tls"), ids=lambda scenario: scenario.name)
def test_tls(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
