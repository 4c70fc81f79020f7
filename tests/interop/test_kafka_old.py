"""Is a broker that is too old told at once, and by its name?

kfake stands for it: it knows no request that the release of Apache Kafka did not know.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

import asynq_compat as asynq
from asynq_compat.journals.kafka.settings import DRIVERS
from tests.services.installing import ServiceMissingError
from tests.services.kfake import KfakeCluster
from tests.services.waiting import wait_until_none

pytestmark = pytest.mark.go

# Far below what an answer may take.
_TOLD_WITHIN_S = 30.0
_ANSWER_S = 120


@pytest.fixture(scope="module", params=["0.10.2", "2.3"])
def old_broker(request: pytest.FixtureRequest) -> Iterator[KfakeCluster]:
    try:
        cluster = KfakeCluster(str(request.param))
    except ServiceMissingError as missing:
        pytest.skip(str(missing))
    yield cluster
    cluster.stop()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_broker_that_is_too_old_is_told_at_once(old_broker: KfakeCluster, kafka_namespace: str, driver: str) -> None:
    url = f"kafka://{old_broker.bootstrap}/{kafka_namespace}?driver={driver}&request_timeout={_ANSWER_S}"
    refused = (
        rf"the brokers at {old_broker.bootstrap} lack a feature that a journal needs \(.*\); use Apache Kafka 2.4 or later, "
        "or Redpanda 23.2 or later$"
    )
    server = asynq.Server(url)
    threads = set(threading.enumerate())
    began_at_s = time.monotonic()

    with asynq.Client(url) as client:
        with pytest.raises(asynq.UnsupportedByBroker, match=refused):
            client.enqueue(asynq.Task("ok"))
        assert time.monotonic() - began_at_s < _TOLD_WITHIN_S
    began_at_s = time.monotonic()
    with pytest.raises(asynq.UnsupportedByBroker, match=refused):
        server.start(lambda ctx, task: None)
    assert time.monotonic() - began_at_s < _TOLD_WITHIN_S

    wait_until_none(lambda: set(threading.enumerate()) - threads, "who did not come in leaves nothing behind")


@pytest.mark.parametrize("driver", DRIVERS)
def test_so_is_one_that_lets_topics_be_made(old_broker: KfakeCluster, kafka_namespace: str, driver: str) -> None:
    """Release 2.3 lacks only the cluster's default replication; 0.10.2 lacks more, and no thread dies of it."""
    url = f"kafka://{old_broker.bootstrap}/{kafka_namespace}?driver={driver}&replication_factor=1"
    with asynq.Client(url) as client:
        if old_broker.release == "2.3":
            client.enqueue(asynq.Task("ok"))
            return
        with pytest.raises(asynq.UnsupportedByBroker, match="lack a feature that a journal needs"):
            client.enqueue(asynq.Task("ok"))
