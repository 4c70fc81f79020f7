"""Which real services does a test find running?

Contract: a service starts with the first test that asks for it and ends with the session. Where one cannot be started the test is
skipped, naming what is missing. In CI (environment variable CI) whatever is skipped, for this or any other reason, has failed: a proof
that was not made is none. A test that uses a fixture of a service carries its marker. Where REDPANDA_BROKERS names a cluster, tests on the Kafka
API run on that one, in namespaces of their own, which they leave there; those marked `redpanda` need no broker but it.
Not obvious: with pytest-xdist every worker process has a session, and so services, of its own. Tests that share a fixture of their module stay in
one worker: such a fixture is dear.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
import redis

from tests.proofs import Proofs
from tests.services import golang, java
from tests.services.installing import ServiceMissingError
from tests.services.kafka import GivenCluster, KafkaCluster
from tests.services.kafka_secure import SecureKafka
from tests.services.redis import RedisServer, install_valkey

_T = TypeVar("_T")
_REDPANDA = "REDPANDA_BROKERS"
# Who uses one of these kills brokers, looks into their files or asks for logins.
_ON_BROKERS_OF_THEIR_OWN = frozenset({"secure_kafka", "own_cluster", "nodes"})
_MARKED_BY = {
    "redis_server": "redis",
    "valkey_server": "redis",
    "kafka_cluster": "kafka",
    "secure_kafka": "kafka",
    "go_program": "go",
}
# How long an example takes, and how long it takes to draw one, says how busy the machine is, and no more.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")
# Databases 0 and 13 to 15 are left to tests that choose one themselves.
_databases = itertools.cycle(range(1, 13))


def pytest_configure(config: pytest.Config) -> None:
    """Count proofs in the process that gets all reports, not in pytest-xdist's workers; hear SIGINT in all of them, and in what they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # As whatever a shell runs in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Proofs(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the markers of the services that it uses, and keep together what shares a fixture of its module."""
    for item in items:
        if _shares_a_module_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        for fixture, marker in _MARKED_BY.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        if item.get_closest_marker("kafka") and not _has_own_broker(item):
            item.add_marker("redpanda")


def _has_own_broker(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("own_broker") is not None or not _ON_BROKERS_OF_THEIR_OWN.isdisjoint(fixtures)


def _shares_a_module_fixture(item: pytest.Item) -> bool:
    definitions = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    return any(definition.scope == "module" for each in definitions for definition in each)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same with a file that is skipped as a whole."""
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


def _fail_if_skipped_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("CI"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome, report.longrepr = "failed", f"skipped, which CI does not accept: {reason}"


@pytest.fixture(autouse=True)
def _own_log_level() -> Iterator[None]:
    """Give the next test the package's log level as this one found it: a server with a `log_level` sets it for the process."""
    log = logging.getLogger("asynq_compat")
    level = log.level
    yield
    log.setLevel(level)


def _or_skip(start: Callable[[], _T]) -> _T:
    try:
        return start()
    except ServiceMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for the whole session; a test that kills or restarts one starts a `RedisServer` of its own."""
    server = _or_skip(RedisServer)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def valkey_server() -> Iterator[RedisServer]:
    """A Valkey, which programs talk to as to a Redis."""
    server = _or_skip(lambda: RedisServer(binary=install_valkey()))
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an emptied database, another one for each test."""
    url = f"{redis_server.url}/{next(_databases)}"
    with redis.Redis.from_url(url) as connection:
        connection.flushdb()
    return url


@pytest.fixture(scope="session")
def kafka_cluster() -> Iterator[KafkaCluster | GivenCluster]:
    """An Apache Kafka for the whole session, or the cluster of REDPANDA_BROKERS.

    A test that kills or restarts one starts a `KafkaCluster` of its own, and is marked `own_broker`.
    """
    if given := os.environ.get(_REDPANDA, ""):
        yield GivenCluster(given)
        return
    cluster = _or_skip(KafkaCluster)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def secure_kafka() -> Iterator[SecureKafka]:
    """An Apache Kafka with TLS, logins and rights for the whole session."""
    cluster = _or_skip(SecureKafka)
    yield cluster
    cluster.stop()


@pytest.fixture
def kafka_namespace() -> str:
    """A namespace that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def go_program() -> Callable[[str], Path]:
    """Return ``go_program(name)``: the path of the program in tests/interop/<name>, built."""
    return lambda name: _or_skip(lambda: golang.build(name))


@pytest.fixture(scope="session")
def java_program() -> Callable[[str], list[str]]:
    """Return ``java_program(name)``: the command that runs the program in tests/interop/<name>, built."""
    return lambda name: _or_skip(lambda: java.build(name))
