"""How often was something how long?

Contract: thread-safe. Counts by labels into buckets, many at a time.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

# From half a millisecond, where quick handlers are, to an hour, where batch work is.
BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)


@dataclass(slots=True)
class _Counts:
    sum_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))


class Histogram:
    """Durations in seconds, by labels.

    Args:
        name, documentation, labels: As Prometheus is told.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._described = name, documentation
        self._labels = labels
        self._lock = threading.Lock()  # Guards the next.
        self._counts: dict[tuple[str, ...], _Counts] = {}

    def add(self, labels: tuple[str, ...], duration_s: float, count: int = 1) -> None:
        """Count a duration so many times."""
        with self._lock:
            counts = self._counts.get(labels)
            if counts is None:
                counts = self._counts[labels] = _Counts()
            counts.sum_s += duration_s * count
            counts.buckets[bisect_left(BOUNDS_S, duration_s)] += count

    def family(self) -> HistogramMetricFamily:
        """Return what Prometheus is told now."""
        name, documentation = self._described
        family = HistogramMetricFamily(name, documentation, labels=self._labels)
        with self._lock:
            told = [(labels, list(counts.buckets), counts.sum_s) for labels, counts in sorted(self._counts.items())]
        for labels, buckets, sum_s in told:
            total, cumulative = 0, list[tuple[str, float]]()
            for bound, count in zip((*BOUNDS_S, float("inf")), buckets, strict=True):
                total += count
                cumulative.append((floatToGoString(bound), total))  # type: ignore[no-untyped-call]
            family.add_metric(labels, cumulative, sum_s)
        return family
