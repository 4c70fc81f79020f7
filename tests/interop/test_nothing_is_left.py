"""Is every thread, socket and file gone once a client, a server and an inspector are closed, many times over?"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import asynq_compat as asynq
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.kafka import KafkaCluster
from tests.services.ports import HOST, free_ports
from tests.services.waiting import wait_until_none

# The first ones fill what a process keeps: modules, the resolver's cache.
ROUNDS_BEFORE = 2
ROUNDS = 50
# A round there takes a second: ten connections are made and a broker ends each long poll in its own time.
ROUNDS_ON_KAFKA = 10
TASK = asynq.Task("email", b"{}")
STARTS_BEFORE = 80
STARTS = 1_040
SIDE_BY_SIDE = 8
AT_ONCE = 5


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
        assert is_handled.wait(60)
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

    wait_until_none(lambda: what_is_left(files, running), "all to have ended")


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), "sqlite"])
def urls(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """One URL for each of the threads that start servers; files in memory, since each start and end waits for a disk."""
    if request.param == "redis":
        yield [str(request.getfixturevalue("redis_url"))] * SIDE_BY_SIDE
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield [f"sqlite:///{folder}/{number}.db" for number in range(SIDE_BY_SIDE)]


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def start_and_stop(url: str, times: int) -> None:
    for _ in range(times):
        server = asynq.Server(url, asynq.Config(concurrency=2, log_level="error"))
        server.start(asynq.ServeMux())
        server.shutdown()


def start_many(starters: ThreadPoolExecutor, urls: list[str], count: int) -> None:
    """Most of a start and an end is waiting: side by side they take a sixth of the time. Now and then all have ended, and what they leave is looked for (ADR 0015)."""
    for _ in range(count // (SIDE_BY_SIDE * AT_ONCE)):
        list(starters.map(start_and_stop, urls, [AT_ONCE] * SIDE_BY_SIDE))


@pytest.mark.timeout(900)  # A quarter of a minute of work for the processor and the kernel, which may be busy.
def test_a_thousand_starts_and_stops_leave_no_thread_socket_or_file(urls: list[str]) -> None:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as starters:
        start_many(starters, urls, STARTS_BEFORE)
        files, running = open_files(), threads()

        start_many(starters, urls, STARTS // 2)
        # By now the allocator has what threads side by side need: some 50 MB more than at first.
        memory_mb = resident_mb()
        start_many(starters, urls, STARTS // 2)

        wait_until_none(lambda: what_is_left(files, running), "all to have ended")
        # A fifth of a megabyte each, 100 MB, would be left if nobody looked for what has no owner.
        assert resident_mb() - memory_mb < 60


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

    wait_until_none(lambda: what_is_left(files, running), "all to have ended")


@pytest.mark.parametrize("driver", DRIVERS)
def test_closing_does_not_wait_for_a_kafka_that_does_not_answer(driver: str) -> None:
    address = f"{HOST}:{free_ports(1)[0]}"
    files, running = open_files(), threads()
    started_at = time.monotonic()

    KafkaJournalStore(KafkaSettings(bootstrap=(address,), request_timeout_s=60, driver=driver)).close()

    assert time.monotonic() - started_at < 10
    wait_until_none(lambda: what_is_left(files, running), "all to have ended")
