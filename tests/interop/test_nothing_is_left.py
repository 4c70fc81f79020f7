"""Is every thread, socket and file gone once a client, a server and an inspector are closed, many times over?"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest

import asynq_compat as asynq
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.kafka import KafkaCluster
from tests.services.ports import HOST, free_ports
from tests.services.waiting import wait_until

# The first ones fill what a process keeps: modules, the resolver's cache.
ROUNDS_BEFORE = 2
ROUNDS = 50
# A round there takes a second: ten connections are made and a broker ends each long poll in its own time.
ROUNDS_ON_KAFKA = 10
TASK = asynq.Task("email", b"{}")


def open_files() -> list[str]:
    """What this process has open, as the kernel tells it."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # The listing's own.
            found.append(str(one.readlink()).partition(":")[0])
    return sorted(found)


def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def what_is_left(files: list[str], running: list[str]) -> list[str]:
    """What came since, by kind."""
    left = open_files() + threads()
    for one in files + running:
        with contextlib.suppress(ValueError):
            left.remove(one)
    return left


def use_all(url: str) -> None:
    """One task's life from a client through a server to an inspector, each opened and closed."""
    is_handled = threading.Event()
    mux = asynq.ServeMux()

    @mux.on("email")
    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        is_handled.set()

    server = asynq.Server(url, asynq.Config(concurrency=2))
    server.start(mux)
    try:
        with asynq.Client(url) as client:
            client.enqueue(TASK)
        assert is_handled.wait(15)
    finally:
        server.shutdown()
    with asynq.Inspector(url) as inspector:
        assert inspector.get_queue_info("default").processed_total >= 1


def test_nothing_is_left_of_clients_servers_and_inspectors(url: str) -> None:
    for _ in range(ROUNDS_BEFORE):
        use_all(url)
    files, running = open_files(), threads()

    for _ in range(ROUNDS_ON_KAFKA if url.startswith("redpanda") else ROUNDS):
        use_all(url)

    wait_until(lambda: not what_is_left(files, running), f"{what_is_left(files, running)} left")


def test_nothing_is_left_of_them_with_the_other_kafka_library(
    kafka_cluster: KafkaCluster, kafka_namespace: str
) -> None:
    url = f"redpanda://{kafka_cluster.bootstrap}/{kafka_namespace}?driver=confluent"

    test_nothing_is_left_of_clients_servers_and_inspectors(url)


@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_is_left_where_no_kafka_answers(driver: str) -> None:
    settings = KafkaSettings(bootstrap=(f"{HOST}:{free_ports(1)[0]}",), request_timeout_s=0.3, driver=driver)
    files, running = open_files(), threads()

    for _ in range(5):
        store = KafkaJournalStore(settings)
        with pytest.raises(asynq.BrokerUnavailableError):
            store.open(CONTROL)
        store.close()

    wait_until(lambda: not what_is_left(files, running), f"{what_is_left(files, running)} left")


@pytest.mark.parametrize("driver", DRIVERS)
def test_closing_does_not_wait_for_a_kafka_that_does_not_answer(driver: str) -> None:
    files, running = open_files(), threads()
    started_at = time.monotonic()

    address = f"{HOST}:{free_ports(1)[0]}"
    KafkaJournalStore(KafkaSettings(bootstrap=(address,), request_timeout_s=60, driver=driver)).close()

    assert time.monotonic() - started_at < 10
    wait_until(lambda: not what_is_left(files, running), f"{what_is_left(files, running)} left")
