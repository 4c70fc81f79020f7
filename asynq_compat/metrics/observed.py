"""What does a server's work come to?

Contract: the observer of one server, and a collector for Prometheus. Thread-safe; what is told of many tasks at once costs little more than
of one. Of task types the first `TYPES_MAX` have lines of their own, all others are "other": whoever invents types without end costs no memory.
Not obvious: processed and failed are counted as Asynq counts: a task that is handed back is neither, and an error that `is_failure` lets
pass is a retry alone.
Source: docs/operations.md, "Metrics".
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from asynq_compat.metrics.histograms import Histogram
from asynq_compat.ports.consuming import Ended, Lease, SettleKind, are_leases, lease_of
from asynq_compat.rules.sampling import sample_weights
from asynq_compat.wire.message import type_of, type_prefix

TYPES_MAX = 100
# So many types of a batch are counted all at once, the others task by task.
_PASSES_MAX = 8
OTHER = "other"

_Key = tuple[str, str]
_queue_of, _message_of = attrgetter("queue"), attrgetter("message")


class ServerMetrics(Collector):
    """What one server does.

    Args:
        queues: Those it serves.
        concurrency: How many tasks it runs at a time.
    """

    def __init__(self, queues: Sequence[str], concurrency: int) -> None:
        self._queues = queues
        self._concurrency = concurrency
        self.in_progress: Callable[[], Iterable[str]] = tuple  # Gives the queue of each task that runs.
        self._lock = threading.Lock()  # Guards the next three.
        self._types: dict[str, str] = {}
        self._processed: Counter[_Key] = Counter()
        self._failed: Counter[_Key] = Counter()
        self._waits = Histogram(
            "asynq_server_task_wait_seconds",
            "Seconds from when a task became pending until this server took it.",
            ("queue",),
        )
        self._durations = Histogram(
            "asynq_server_task_duration_seconds", "Seconds that handlers ran.", ("queue", "task_type")
        )

    # --- as an observer -----------------------------------------------------------------------------------------------------------

    def waited(self, queue: str, count: int, waits_s: Sequence[float]) -> None:
        """Hear how long tasks had been pending."""
        for wait_s, weight in zip(waits_s, sample_weights(count, len(waits_s)), strict=True):
            self._waits.add((queue,), wait_s, weight)

    def handled(self, queue: str, task_type: str, duration_s: float, count: int) -> None:
        """Hear how long a handler took."""
        with self._lock:
            label = self._label(task_type)
        self._durations.add((queue, label), duration_s, count)

    def ended(self, ended: Sequence[Ended]) -> None:
        """Hear what became of tasks."""
        if are_leases(ended):  # Nearly always.
            processed, failed = _by_type(ended), {}
        else:
            processed = _by_type([lease_of(one) for one in ended if _is_processed(one)])
            failed = _by_type([lease_of(one) for one in ended if _is_failed(one)])
        with self._lock:
            for counted, of_all in ((processed, self._processed), (failed, self._failed)):
                for (queue, task_type), count in counted.items():
                    of_all[queue, self._label(task_type)] += count

    def _label(self, task_type: str) -> str:
        known = self._types.get(task_type)
        if known is None:
            if len(self._types) >= TYPES_MAX:
                return OTHER
            known = self._types[task_type] = task_type
        return known

    # --- as a collector -----------------------------------------------------------------------------------------------------------

    def describe(self) -> Iterator[Metric]:
        """Give the metrics; what they say is at hand."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Give the metrics as they are now."""
        with self._lock:
            processed, failed = sorted(self._processed.items()), sorted(self._failed.items())
        for name, documentation, counts in (
            ("asynq_server_tasks_processed", "Tasks that this server has processed, failures too.", processed),
            ("asynq_server_tasks_failed", "Tasks that have failed on this server.", failed),
        ):
            family = CounterMetricFamily(name, documentation, labels=("queue", "task_type"))
            for labels, count in counts:
                family.add_metric(labels, count)
            yield family
        running = Counter(self.in_progress())
        gauge = GaugeMetricFamily(
            "asynq_server_tasks_in_progress", "Tasks that this server is running now.", labels=("queue",)
        )
        for queue in self._queues:
            gauge.add_metric((queue,), running[queue])
        yield gauge
        yield GaugeMetricFamily(
            "asynq_server_concurrency", "How many tasks this server runs at a time, at most.", self._concurrency
        )
        yield self._waits.family()
        yield self._durations.family()


def _by_type(leases: Sequence[Lease]) -> dict[_Key, int]:
    """Return how many there are of each queue and type. Most batches are of one queue and few types: then no task is looked at by itself."""
    counts: dict[_Key, int] = {}
    queues = set(map(_queue_of, leases))
    for queue in queues:
        of_queue = leases if len(queues) == 1 else [lease for lease in leases if lease.queue == queue]
        messages = list(map(_message_of, of_queue))
        for _ in range(_PASSES_MAX):
            if not messages:
                break
            prefix = type_prefix(messages[0])
            others = [message for message in messages if not message.startswith(prefix)]
            key = queue, type_of(prefix)
            counts[key] = counts.get(key, 0) + len(messages) - len(others)
            messages = others
        for prefix, count in Counter(map(type_prefix, messages)).items():
            key = queue, type_of(prefix)
            counts[key] = counts.get(key, 0) + count
    return counts


def _is_processed(one: Ended) -> bool:
    return isinstance(one, Lease) or one.kind in (SettleKind.DONE, SettleKind.COMPLETE) or _is_failed(one)


def _is_failed(one: Ended) -> bool:
    if isinstance(one, Lease):
        return False
    return one.kind is SettleKind.ARCHIVE or (one.kind is SettleKind.RETRY and one.is_failure)
