"""What does Prometheus hear of the queues?

Contract: a collector for prometheus_client's registries, with the names, labels, types and help texts of Asynq's `x/metrics`, so that its
dashboards and alerts hold. One collection reads every queue once; where one cannot be read it is logged, and there is no sample at all.
Not obvious: aggregating tasks count in `asynq_queue_size` and have no line of their own, as in Go.
Source: asynq's module `x/metrics`; docs/operations.md, "Metrics".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from asynq_compat.errors import AsynqError
from asynq_compat.ports.inspecting import QueueInfo

_log = logging.getLogger("asynq_compat")

# asynq_tasks_enqueued_total tells of these, in this order.
_STATES = ("active", "pending", "scheduled", "retry", "archived", "completed")


class SupportsQueueInfo(Protocol):
    """What is asked of an `Inspector`."""

    def queues(self) -> Sequence[str]:
        """Return the names of the queues to tell of."""

    def get_queue_info(self, queue: str, /) -> QueueInfo:
        """Return the counts of one; raises an AsynqError where it cannot."""


@dataclass(frozen=True, slots=True)
class _Told:
    """One metric of a queue: how it is described, and its value."""

    kind: type[GaugeMetricFamily | CounterMetricFamily]
    name: str
    help: str
    value: Callable[[QueueInfo], float]


_OF_A_QUEUE = (
    _Told(GaugeMetricFamily, "asynq_queue_size", "Number of tasks in a queue", lambda info: info.size),
    _Told(
        GaugeMetricFamily,
        "asynq_queue_latency_seconds",
        "Number of seconds the oldest pending task is waiting in pending state to be processed.",
        lambda info: info.latency.total_seconds(),
    ),
    _Told(
        GaugeMetricFamily,
        "asynq_queue_memory_usage_approx_bytes",
        "Number of memory used by a given queue (approximated number by sampling).",
        lambda info: info.memory_usage,
    ),
    _Told(
        CounterMetricFamily,
        "asynq_tasks_processed_total",
        "Number of tasks processed (both succeeded and failed); broken down by queue",
        lambda info: info.processed_total,
    ),
    _Told(
        CounterMetricFamily,
        "asynq_tasks_failed_total",
        "Number of tasks failed; broken down by queue",
        lambda info: info.failed_total,
    ),
    _Told(GaugeMetricFamily, "asynq_queue_paused_total", "Number of queues paused", lambda info: info.paused),
)


class QueueMetricsCollector(Collector):
    """Tells of all queues of an inspector: ``prometheus_client.REGISTRY.register(QueueMetricsCollector(inspector))``.

    Args:
        inspector: An `Inspector`, which stays the caller's; closed only when nobody collects any more.
    """

    def __init__(self, inspector: SupportsQueueInfo) -> None:
        self._inspector = inspector

    def describe(self) -> Iterator[Metric]:
        """Give the metrics without samples: a registry asks when it is registered, and no queue is read for it."""
        return _families([])

    def collect(self) -> Iterator[Metric]:
        """Give the metrics of all queues; nothing where a queue cannot be read, or there is none."""
        try:
            infos = [self._inspector.get_queue_info(queue) for queue in self._inspector.queues()]
        except AsynqError as error:
            _log.error("Failed to collect metrics data: %s", error)
            return
        if infos:
            yield from _families(infos)


def _families(infos: Sequence[QueueInfo]) -> Iterator[Metric]:
    enqueued = GaugeMetricFamily(
        "asynq_tasks_enqueued_total",
        "Number of tasks enqueued; broken down by queue and state.",
        labels=("queue", "state"),
    )
    for info in infos:
        for state in _STATES:
            enqueued.add_metric((info.queue, state), getattr(info, state))
    yield enqueued
    for told in _OF_A_QUEUE:
        family = told.kind(told.name, told.help, labels=("queue",))
        for info in infos:
            family.add_metric((info.queue,), told.value(info))
        yield family


new_queue_metrics_collector = QueueMetricsCollector  # Go: metrics.NewQueueMetricsCollector
