"""Does a running server go on by itself when its broker was away, and does a full disk cost nothing but time?"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.services.kafka import KafkaCluster
from tests.services.process import Process
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

BATCH = 10
BATCHES = 120
SLOTS = 8
# Kafka takes some seconds more to start.
AWAY_S = {"redis": 10.0, "kafka": 1.0}
# On Redis what was just given out when it was killed, and nobody heard of, comes back as from a dead worker.
LOST_WITH_AN_ANSWER = {"redis": SLOTS, "redpanda": 0}
# A lease of which half is over, or less, when the broker goes.
_LEASE_LEFT_S = 15.0
# On Redis a batch whose answer was lost with the connection is active until its lease has been over for 30 s, and until the recoverer's
# next look, as in Go.
DONE_WITHIN_S = 150
# A logger of its own: the level of the package's would stay for the tests that follow.
QUIET = logging.getLogger("outages")
pytestmark = pytest.mark.own_broker


class Producer:
    """Enqueues a steady load in a thread of its own and asks again for what it was not told of."""

    def __init__(self, url: str) -> None:
        self.stored: set[str] = set()
        self.outages: list[asynq.BrokerUnavailableError] = []
        self._url = url
        self._thread = threading.Thread(target=self._produce, name="producer", daemon=True)
        self._thread.start()

    def _produce(self) -> None:
        pause = threading.Event()
        with asynq.Client(self._url) as client:
            for batch in range(BATCHES):
                waiting = [asynq.Task("t", None, asynq.TaskID(f"{batch}-{n}")) for n in range(BATCH)]
                while waiting:
                    waiting = self._ask(client, waiting)
                    pause.wait(0.02)

    def _ask(self, client: asynq.Client, tasks: list[asynq.Task]) -> list[asynq.Task]:
        try:
            outcomes = client.enqueue_many(tasks, retention=3600)
        except asynq.BrokerUnavailableError as error:
            self.outages.append(error)
            return tasks
        left = []
        for task, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, asynq.TaskInfo | asynq.TaskIDConflictError):
                self.stored.add(task.options[0].text)
            else:
                assert isinstance(outcome, asynq.BrokerUnavailableError), outcome
                self.outages.append(outcome)
                left.append(task)
        return left

    def join(self) -> None:
        self._thread.join(DONE_WITHIN_S)
        assert not self._thread.is_alive(), f"{len(self.stored)} stored; {self.outages[-1:]}"


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), pytest.param("kafka", marks=pytest.mark.kafka)])
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Process, str, float]]:
    """A broker that the test may kill, its URL, and for how long it shall be away. The shared one is asked for first: it says when there is none."""
    if request.param == "redis":
        request.getfixturevalue("redis_server")
        redis = RedisServer(durable=True)
        running: Process = redis
        url = redis.url
    else:
        request.getfixturevalue("kafka_cluster")
        running = KafkaCluster()
        url = f"redpanda://{running.addr}"
    yield running, url, AWAY_S[request.param]
    running.stop()


@pytest.mark.timeout(300)
def test_a_broker_that_was_killed_and_came_back_under_load_cost_no_task(service: tuple[Process, str, float]) -> None:
    broker, url, away_s = service
    runs: Counter[str] = Counter()
    lock = threading.Lock()

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        ctx.wait(0.01)
        with lock:
            runs[str(asynq.get_task_id(ctx))] += 1

    server = asynq.Server(url, asynq.Config(concurrency=SLOTS, logger=QUIET, shutdown_timeout=5))
    server.start(handle)
    try:
        producer = Producer(url)
        wait_until(lambda: len(runs) > 10 * BATCH, "the load runs", 60)

        killed_at = time.monotonic()
        broker.kill()
        threading.Event().wait(away_s)  # The outage, as long as it is said to be.
        broker.start()
        was_away_s = time.monotonic() - killed_at

        producer.join()
        with asynq.Inspector(url) as inspector:
            wait_until(
                lambda: inspector.get_queue_info("default").completed == BATCH * BATCHES,
                f"every task completed, {len(runs)} ran",
                DONE_WITHIN_S,
            )
            info = inspector.get_queue_info("default")
    finally:
        server.shutdown()

    assert producer.stored == set(runs) == {f"{batch}-{n}" for batch in range(BATCHES) for n in range(BATCH)}
    assert info.size == BATCH * BATCHES
    if was_away_s < _LEASE_LEFT_S:
        assert info.processed_total - info.failed_total == BATCH * BATCHES
        assert info.failed_total <= LOST_WITH_AN_ANSWER[url.partition(":")[0]]
        assert set(runs.values()) == {1}, "an outage shorter than a lease makes no task run twice"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount") or "mount"
    command = [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("the command mount is missing: no small file system can be made here")
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_server_goes_on_when_there_is_room(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'tasks.db'}"
    runs: Counter[str] = Counter()
    lock = threading.Lock()
    release = threading.Event()

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        release.wait(120)
        with lock:
            runs[str(asynq.get_task_id(ctx))] += 1

    ballast = small_disk / "ballast"
    server = asynq.Server(url, asynq.Config(concurrency=SLOTS, logger=QUIET, shutdown_timeout=5))
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        server.start(handle)
        try:
            stored = {client.enqueue(asynq.Task("t"), retention=3600).id for _ in range(50)}
            with ballast.open("wb") as file:
                _fill(file.fileno())
            with pytest.raises(asynq.BrokerUnavailableError) as caught:
                _enqueue_until_it_fails(client, stored)

            release.set()
            wait_until(lambda: len(runs) >= SLOTS, "the handlers end while nothing can be written", 60)
            ballast.unlink()
            stored.add(client.enqueue(asynq.Task("t"), retention=3600).id)
            wait_until(
                lambda: inspector.get_queue_info("default").completed == len(stored), f"all of {len(stored)} done", 60
            )
        finally:
            server.shutdown()

    assert str(small_disk) in str(caught.value)
    assert "full; free some space" in str(caught.value)
    assert "nothing was sent" in str(caught.value)
    assert not caught.value.may_have_happened
    assert set(runs) == stored
    assert set(runs.values()) == {1}


def _enqueue_until_it_fails(client: asynq.Client, stored: set[str]) -> None:
    for _ in range(10_000):
        stored.add(client.enqueue(asynq.Task("t", b"x" * 1_000), retention=3600).id)


def _fill(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return
