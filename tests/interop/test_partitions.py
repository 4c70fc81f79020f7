"""Is a queue of several partitions one queue to those who use it?"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import asynq_compat as asynq
from asynq_compat.brokers.journal.queue import partition_of
from tests.services.waiting import wait_until

_PATIENCE_S = 60.0


@pytest.fixture(
    params=[
        "sqlite-1",
        "sqlite-4",
        "sqlite-16",
        pytest.param("kafka-4", marks=pytest.mark.kafka),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A broker whose new queues have so many partitions."""
    journal, count = str(request.param).split("-")
    if journal == "sqlite":
        return f"sqlite:///{tmp_path / 'tasks.db'}?partitions={count}"
    cluster = request.getfixturevalue("kafka_cluster")
    return f"redpanda://{cluster.bootstrap}/{request.getfixturevalue('kafka_namespace')}?partitions={count}"


class Workers:
    """Servers that note who did what."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()  # Guards the next one.
        self.done: list[tuple[str, str]] = []
        self._running: dict[str, asynq.Server] = {}

    def join(self, name: str) -> None:
        """Start one."""
        mux = asynq.ServeMux()

        async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
            with self._lock:
                self.done.append((asynq.get_task_id(ctx) or "", name))

        mux.handle_func("work", handle)
        server = asynq.Server(self._url, asynq.Config(concurrency=8))
        server.start(mux)
        self._running[name] = server

    def leave(self, name: str) -> None:
        """End one gracefully."""
        self._running.pop(name).shutdown()

    def close(self) -> None:
        """End all."""
        for name in list(self._running):
            self.leave(name)


@pytest.fixture
def workers(url: str) -> Iterator[Workers]:
    started = Workers(url)
    yield started
    started.close()


def _ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def test_every_task_is_done_once_while_servers_join_and_leave(url: str, workers: Workers) -> None:
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        workers.join("first")
        ids = []
        steps: tuple[Callable[[], object], ...] = (
            partial(workers.join, "second"),
            partial(workers.leave, "first"),
            list,
        )
        for number, step in enumerate(steps):
            for info in client.enqueue_many([asynq.Task("work") for _ in range(300)]):
                assert isinstance(info, asynq.TaskInfo)
                ids.append(info.id)
            ids += [client.enqueue(asynq.Task("work", str(number).encode())).id for _ in range(20)]
            step()
        wait_until(lambda: len(workers.done) >= len(ids), "all are done", _PATIENCE_S)
        wait_until(
            lambda: inspector.get_queue_info("default").processed_total == len(ids), "all are settled", _PATIENCE_S
        )

        assert Counter(task_id for task_id, _ in workers.done) == Counter(ids)
        assert inspector.get_queue_info("default").size == 0


def test_many_servers_share_out_the_partitions(url: str, workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    has_several = not url.endswith("partitions=1")
    with caplog.at_level(logging.INFO, "asynq_compat.journal"), asynq.Client(url) as client:
        ids: list[str] = []

        def hand_over() -> None:
            for info in client.enqueue_many([asynq.Task("work") for _ in range(200)]):
                assert isinstance(info, asynq.TaskInfo)
                ids.append(info.id)

        names = ["first", "second", "third", "fourth"]
        for name in names:
            workers.join(name)
            hand_over()
        wait_until(
            lambda: not has_several or "has left partition" in caplog.text, "some have left a partition", _PATIENCE_S
        )
        hand_over()
        for name in names[:3]:
            workers.leave(name)
            hand_over()
        wait_until(lambda: len(workers.done) >= len(ids), "all are done", _PATIENCE_S)

        assert Counter(task_id for task_id, _ in workers.done) == Counter(ids)


def test_what_excludes_each_other_meets_in_one_partition(url: str) -> None:
    with asynq.Client(url, replica=True) as client, asynq.Inspector(url) as inspector:
        for number in range(12):
            client.enqueue(asynq.Task("pay", f"{number}".encode()), unique=600)
            client.enqueue(asynq.Task("work"), task_id=f"chosen-{number}")
        for number in range(12):
            with pytest.raises(asynq.DuplicateTaskError):
                client.enqueue(asynq.Task("pay", f"{number}".encode()), unique=600)
            with pytest.raises(asynq.TaskIDConflictError):
                client.enqueue(asynq.Task("work"), task_id=f"chosen-{number}")

        assert inspector.get_queue_info("default").pending == 24
        assert len(inspector.list_pending_tasks("default", page_size=100)) == 24
        assert {inspector.get_task_info("default", f"chosen-{number}").type for number in range(12)} == {"work"}
        inspector.delete_task("default", "chosen-7")
        with pytest.raises(asynq.TaskNotFoundError):
            inspector.get_task_info("default", "chosen-7")


def test_a_pause_holds_in_all_partitions(url: str, workers: Workers) -> None:
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        client.enqueue(asynq.Task("work"))
        inspector.pause_queue("default")
        with pytest.raises(asynq.QueueStateError):
            inspector.pause_queue("default")
        client.enqueue_many([asynq.Task("work") for _ in range(50)])
        workers.join("only")
        assert inspector.get_queue_info("default").paused
        assert inspector.get_queue_info("default").pending == 51
        assert not workers.done

        inspector.unpause_queue("default")

        wait_until(lambda: len(workers.done) == 51, "all are done", _PATIENCE_S)


def test_scheduled_and_retried_tasks_come_from_every_partition(url: str) -> None:
    failed: set[str] = set()
    done: set[str] = set()

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        task_id = asynq.get_task_id(ctx) or ""
        if task_id not in failed:
            failed.add(task_id)
            raise RuntimeError("the first time it fails")
        done.add(task_id)

    with asynq.Client(url) as client:
        ids = {client.enqueue(asynq.Task("work"), process_in=1).id for _ in range(24)}
        mux = asynq.ServeMux()
        mux.handle_func("work", handle)
        server = asynq.Server(url, asynq.Config(concurrency=4, retry_delay_func=lambda *_: 1.0))
        server.start(mux)
        try:
            wait_until(lambda: done == ids, "all are done", _PATIENCE_S)
        finally:
            server.shutdown()


def test_a_queue_keeps_the_number_that_it_was_made_with(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    with asynq.Client(asynq.EmbeddedOpt(path, partitions=4)) as client:
        ids = [client.enqueue(asynq.Task("work")).id for _ in range(20)]
    with asynq.Client(f"sqlite:///{path}?partitions=16") as client, asynq.Inspector(f"sqlite:///{path}") as inspector:
        ids += [client.enqueue(asynq.Task("work")).id for _ in range(20)]

        assert sorted(info.id for info in inspector.list_pending_tasks("default", page_size=100)) == sorted(ids)
        assert inspector.get_queue_info("default").pending == 40


def test_tasks_spread_evenly() -> None:
    counts = Counter(partition_of(task_id, 16) for task_id in _ids(16_000))

    assert set(counts) == set(range(16))
    assert max(counts.values()) < 1_300
    assert partition_of("hello", 16) == 0x3610A686 % 16  # CRC-32 of RFC 1952.
