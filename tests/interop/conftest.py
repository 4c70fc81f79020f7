"""Which Go program answers the interop tests, and which brokers do they run on?"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.interop.go_oracle import Oracle


@pytest.fixture(scope="session")
def oracle(go_program: Callable[[str], Path]) -> Iterator[Oracle]:
    """Go's asynq, for single calls; a test that starts or kills a Go server makes an `Oracle` of its own."""
    with Oracle(go_program("oracle")) as running:
        yield running


@pytest.fixture
def redis_url(redis_url: str, request: pytest.FixtureRequest) -> str:
    """The URL of an emptied database that the oracle's client knows nothing of: it remembers which queues it has announced (G9)."""
    if "oracle" in request.fixturenames:
        request.getfixturevalue("oracle").call("client.close", redis=redis_url)
    return redis_url


@pytest.fixture(params=DRIVERS)
def open_store(kafka_namespace: str, request: pytest.FixtureRequest) -> Iterator[Callable[[str], KafkaJournalStore]]:
    """Return ``open_store(bootstrap)``: the journals of the test's namespace, closed behind it; once with each client library."""

    def open_at(bootstrap: str) -> KafkaJournalStore:
        settings = KafkaSettings(bootstrap=(bootstrap,), namespace=kafka_namespace, driver=str(request.param))
        return opened.enter_context(contextlib.closing(KafkaJournalStore(settings)))

    with contextlib.ExitStack() as opened:
        yield open_at


@pytest.fixture(params=["redis", "memory", "sqlite", "kafka"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty broker: the test runs once on each kind."""
    match request.param:
        case "redis":
            return str(request.getfixturevalue("redis_url"))
        case "sqlite":
            return f"sqlite:///{tmp_path}/queue.db"
        case "kafka":
            cluster = request.getfixturevalue("kafka_cluster")
            return f"redpanda://{cluster.bootstrap}/{request.getfixturevalue('kafka_namespace')}"
    return f"memory://{uuid.uuid4()}"
