"""What do queues, servers and tasks tell those who measure?"""

from __future__ import annotations

from asynq_compat.metrics.collector import QueueMetricsCollector, new_queue_metrics_collector

__all__ = ["QueueMetricsCollector", "new_queue_metrics_collector"]
