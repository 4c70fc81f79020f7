"""What does the queue metrics collector tell, and what when it cannot?"""

from __future__ import annotations

import logging
import uuid
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import asynq_compat as asynq
from asynq_compat.metrics import QueueMetricsCollector, new_queue_metrics_collector


def _told(inspector: asynq.Inspector) -> list[str]:
    registry = CollectorRegistry()
    registry.register(QueueMetricsCollector(inspector))
    return generate_latest(registry).decode().splitlines()


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{uuid.uuid4()}" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db"


def test_each_queue_has_its_lines(url: str) -> None:
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        client.enqueue_many([asynq.Task("t"), asynq.Task("t")], queue="a")
        client.enqueue(asynq.Task("t"), queue="b", process_in=60)
        inspector.pause_queue("b")

        told = _told(inspector)

    samples = dict(line.rsplit(" ", 1) for line in told if not line.startswith("#"))
    assert len(samples) == 2 * (6 + 6)
    assert samples['asynq_tasks_enqueued_total{queue="a",state="pending"}'] == "2.0"
    assert samples['asynq_tasks_enqueued_total{queue="b",state="scheduled"}'] == "1.0"
    assert samples['asynq_queue_size{queue="a"}'] == "2.0"
    assert samples['asynq_queue_paused_total{queue="a"}'] == "0.0"
    assert samples['asynq_queue_paused_total{queue="b"}'] == "1.0"
    assert samples['asynq_tasks_processed_total{queue="a"}'] == "0.0"
    assert float(samples['asynq_queue_memory_usage_approx_bytes{queue="a"}']) > 0
    assert "# TYPE asynq_tasks_processed_total counter" in told
    assert "# TYPE asynq_tasks_enqueued_total gauge" in told


def test_without_queues_nothing_is_told(url: str) -> None:
    with asynq.Inspector(url) as inspector:
        assert _told(inspector) == []


def test_where_a_queue_cannot_be_read_there_is_no_sample_at_all(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("t"))
    inspector = asynq.Inspector(url)
    inspector.close()

    with caplog.at_level(logging.ERROR, "asynq_compat"):
        assert _told(inspector) == []

    assert "Failed to collect metrics data: " in caplog.text


def test_two_of_them_do_not_go_into_one_registry(url: str) -> None:
    """Their lines would be the same: a registry finds that out when the second is registered, without reading a queue."""
    registry = CollectorRegistry()
    with asynq.Inspector(url) as inspector:
        registry.register(new_queue_metrics_collector(inspector))
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            registry.register(new_queue_metrics_collector(inspector))
