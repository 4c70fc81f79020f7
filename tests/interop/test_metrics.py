"""Does Prometheus hear of a Redis from Go's exporter and from ours the same?"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import asynq_compat as asynq
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement
from tests.interop.go_oracle import Oracle
from tests.interop.redis_tools import broker_at, settings_of

pytestmark = [pytest.mark.redis, pytest.mark.go]

# How long a task has waited is another number a moment later.
_LATENCY = "asynq_queue_latency_seconds"
_LATENCY_DIFFERENCE_S_MAX = 60.0


def _fill(url: str) -> None:
    """Put tasks in all states into two queues, one of them paused."""
    with broker_at(settings_of(url)) as broker:
        client = asynq.Client(broker)
        for queue, count in (("default", 3), ('ünï "low"\\', 1)):
            for _ in range(count + 5):
                client.enqueue(asynq.Task("t", b"x" * 100), queue=queue)
            client.enqueue(asynq.Task("t"), queue=queue, process_in=3600)
            intake = broker.consuming.open_intake(QueueOrder(weights={queue: 1}), 5, "server")
            leases = list(intake.take(5))
            kinds = (SettleKind.DONE, SettleKind.ARCHIVE, SettleKind.RETRY)
            intake.settle([Settlement(leases[at], kind, 600, "no") for at, kind in enumerate(kinds)], 3)
            intake.settle([Settlement(leases[3], SettleKind.COMPLETE, retention_s=600)], 1)
            intake.close()
        asynq.Inspector(broker).pause_queue("default")


def _families(text: str) -> Mapping[str, object]:
    """Return type, help and samples of each metric; what passes between two collections left out."""
    return {
        family.name: (
            family.type,
            family.documentation,
            {
                (sample.name, *sorted(sample.labels.items())): 0.0 if sample.name == _LATENCY else sample.value
                for sample in family.samples
            },
        )
        for family in text_string_to_metric_families(text)
    }


def _latencies(text: str) -> list[float]:
    families = text_string_to_metric_families(text)
    return [sample.value for family in families for sample in family.samples if sample.name == _LATENCY]


def test_the_exporters_tell_the_same(oracle: Oracle, redis_url: str) -> None:
    _fill(redis_url)
    registry = CollectorRegistry()
    with asynq.Inspector(redis_url) as inspector:
        registry.register(asynq.new_queue_metrics_collector(inspector))

        gos = str(oracle.call("metrics.text", redis=redis_url))
        ours = generate_latest(registry).decode()

    assert _families(ours) == _families(gos)
    assert len(_families(ours)) == 7
    heads = [line for line in sorted(gos.splitlines()) if line.startswith("#")]
    assert [line for line in sorted(ours.splitlines()) if line.startswith("#")] == heads
    for go, our in zip(sorted(_latencies(gos)), sorted(_latencies(ours)), strict=True):
        assert go <= our <= go + _LATENCY_DIFFERENCE_S_MAX


def test_an_empty_redis_tells_nothing(oracle: Oracle, redis_url: str) -> None:
    registry = CollectorRegistry()
    with asynq.Inspector(redis_url) as inspector:
        registry.register(asynq.QueueMetricsCollector(inspector))

        assert generate_latest(registry).decode() == oracle.call("metrics.text", redis=redis_url) == ""
