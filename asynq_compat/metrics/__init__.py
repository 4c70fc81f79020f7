"""What do queues, servers and tasks tell those who measure?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asynq_compat.metrics.collector import QueueMetricsCollector as QueueMetricsCollector
    from asynq_compat.metrics.collector import new_queue_metrics_collector as new_queue_metrics_collector
    from asynq_compat.metrics.tracing import Tracing as Tracing

__all__ = ["QueueMetricsCollector", "Tracing", "new_queue_metrics_collector"]


def __getattr__(name: str) -> object:
    # Traces do not need Prometheus's library, nor its metrics OpenTelemetry's.
    if name == "Tracing":
        from asynq_compat.metrics.tracing import Tracing

        return Tracing
    if name in __all__:
        from asynq_compat.metrics import collector

        return vars(collector)[name]
    raise AttributeError(f"module 'asynq_compat.metrics' has no attribute {name!r}")
