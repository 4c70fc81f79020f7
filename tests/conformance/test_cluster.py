"""Does the Redis broker do what every broker must on a cluster of three nodes, where each queue has a node of its own?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import scenarios
from tests.conformance.redis_binding import redis_harness
from tests.services.cluster import RedisCluster

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    made = RedisCluster()
    yield made
    made.stop()


@pytest.fixture
def queue(cluster: RedisCluster) -> Iterator[QueueHarness]:
    nodes = cluster.connections()
    for node in nodes:
        node.flushall()
    with redis_harness(RedisSettings(cluster=(cluster.addrs[0],)), nodes) as made:
        yield made
    for node in nodes:
        node.close()


@pytest.mark.parametrize("scenario", scenarios("cluster"), ids=lambda scenario: scenario.name)
def test_cluster(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
