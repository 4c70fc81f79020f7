"""Does a new process enqueue a unique task without reading the backlog, while a server lives?

`python -m tests.bench.cold` measures the same with a million tasks.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.services.kafka import KafkaCluster

BACKLOG = 5_000


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the queue stands, as tests.interop.thin_client takes it."""
    if request.param == "sqlite":
        return str(tmp_path / "queue.db")
    cluster: KafkaCluster = request.getfixturevalue("kafka_cluster")
    return f"{cluster.bootstrap}/thin-{uuid.uuid4().hex[:8]}"


def test_a_new_process_is_answered_by_a_server_and_reads_no_backlog(place: str) -> None:
    url = f"sqlite:///{place}" if place.startswith("/") else f"redpanda://{place}"
    has_begun, is_over = threading.Event(), threading.Event()

    def block(_ctx: asynq.Context, _task: asynq.Task) -> None:
        has_begun.set()
        is_over.wait(120)

    with asynq.Client(url) as client:
        client.enqueue_many([asynq.Task("backlog", b"x") for _ in range(BACKLOG)])
    server = asynq.Server(url, asynq.Config(concurrency=1, shutdown_timeout=0.1, log_level=asynq.LogLevel.ERROR))
    server.start(block)
    try:
        assert has_begun.wait(60)
        told = [run(place) for _ in range(2)]
    finally:
        is_over.set()
        server.shutdown()

    assert told == ["pending []", "duplicate []"]


def run(place: str) -> str:
    program = [sys.executable, "-m", "tests.interop.thin_client", place]
    return subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout.strip()
