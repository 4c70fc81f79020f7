"""What does a server tell Prometheus, and where?

Contract: made before the server joins its queues, so that an address that is taken is told at the start; closed with it. Each question reads
the queues that are served, and asks the journals that are followed for their ends; where that fails it is logged, and the rest is told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from asynq_compat.errors import AsynqError, QueueNotFoundError
from asynq_compat.metrics.collector import QueueMetricsCollector
from asynq_compat.metrics.exposing import Exposition, registry_of
from asynq_compat.metrics.observed import ServerMetrics
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.inspecting import Inspecting, QueueInfo
from asynq_compat.ports.observing import JournalState, Observing

_log = logging.getLogger("asynq_compat")


class ServingMetrics:
    """The metrics of one server, served over HTTP.

    Args:
        addr: Where: ``host:port``.
        broker: The server's.
        queues: Those it serves.
        concurrency: How many tasks it runs at a time.

    Raises:
        InvalidArgumentError: `addr` is none.
        ServerStateError: It cannot be listened on.
    """

    def __init__(self, addr: str, broker: Broker, queues: Sequence[str], concurrency: int) -> None:
        self.observer = ServerMetrics(queues, concurrency)
        collectors: list[Collector] = [self.observer, QueueMetricsCollector(_Served(broker.inspecting, queues))]
        if broker.observing is not None:
            collectors.append(_Journals(broker.observing))
        self._exposition = Exposition(addr, registry_of(collectors), broker.ping)
        self.addr = self._exposition.addr

    def start(self) -> None:
        """Begin to answer."""
        self._exposition.start()

    def close(self) -> None:
        """Answer no more, and free the port. Legal twice, and before the start."""
        self._exposition.close()


class _Served:
    """The queues that a server serves, as far as they exist."""

    def __init__(self, inspecting: Inspecting, names: Sequence[str]) -> None:
        self._inspecting = inspecting
        self._names = names

    def queues(self) -> list[str]:
        known = self._inspecting.queues()
        return [name for name in self._names if name in known]

    def get_queue_info(self, queue: str, /) -> QueueInfo:
        info = self._inspecting.queue_stats(queue)
        if info is None:
            raise QueueNotFoundError(f"queue {queue!r} was removed meanwhile")
        return info


class _Journals(Collector):
    """How far the server is with its journals."""

    def __init__(self, observing: Observing) -> None:
        self._observing = observing

    def describe(self) -> Iterator[Metric]:
        return _journal_families([])

    def collect(self) -> Iterator[Metric]:
        try:
            states = self._observing.journals()
        except AsynqError as error:
            _log.error("Failed to collect metrics data: %s", error)
            return
        yield from _journal_families(states)


def _journal_families(states: Sequence[JournalState]) -> Iterator[Metric]:
    behind = GaugeMetricFamily(
        "asynq_journal_behind_entries",
        "Positions of a journal that this process has not read yet.",
        labels=("journal",),
    )
    lag = GaugeMetricFamily(
        "asynq_journal_lag_seconds",
        "Age of what was read last of a journal; 0 where all was read.",
        labels=("journal",),
    )
    tail = GaugeMetricFamily(
        "asynq_journal_tail_bytes", "Bytes of a journal behind its last checkpoint.", labels=("journal",)
    )
    age = GaugeMetricFamily(
        "asynq_journal_checkpoint_age_seconds", "Age of a journal's last checkpoint.", labels=("journal",)
    )
    for state in states:
        behind.add_metric((state.journal,), state.behind)
        lag.add_metric((state.journal,), state.lag_s)
        tail.add_metric((state.journal,), state.tail_bytes)
        if state.checkpoint_age_s is not None:
            age.add_metric((state.journal,), state.checkpoint_age_s)
    yield from (behind, lag, tail, age)
