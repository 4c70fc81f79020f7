"""What is wanted, and is it met?

Contract: pure. Every target stands here once, for each journal; a verdict needs the medians of the part it is measured in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.brokers import JOURNALS
from tests.bench.results import Figures
from tests.bench.table import head, row

GO = "go"
GO_PRODUCER = "idle, Go's producer"
MISSING = "not measured"
# What is given of a journal: the value, and how it is written.
Value = Callable[[Figures, str], float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One line: what is measured in which part, and the bounds for each of the brokers of its table."""

    name: str
    part: str
    value: Value
    unit: str
    bounds: tuple[float, ...]
    at_least: bool = True
    brokers: tuple[str, ...] = JOURNALS

    def verdict(self, parts: Mapping[str, Any], who: str) -> str:
        """Return the cell of one journal."""
        if self.part not in parts:
            return MISSING
        try:
            value = self.value(Figures(parts[self.part]), who)
        except KeyError:
            return MISSING
        bound = self.bounds[self.brokers.index(who)]
        is_met = value >= bound if self.at_least else value <= bound
        told = f"{_number(value)}{self.unit} ({'>=' if self.at_least else '<='} {bound:g}{self.unit})"
        return f"{told} met" if is_met else f"**{told} missed**"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def rate_ratio(job: str, peer: str) -> Value:
    """Ours by Go's rate."""
    return lambda figures, who: figures.median(job, who, "rate") / figures.median(peer, GO, "rate")


def cpu_ratio(job: str, peer: str) -> Value:
    """Ours by Go's CPU time per task, of all processes."""
    return lambda figures, who: figures.cpu_us(job, who) / figures.cpu_us(peer, GO)


def value(job: str, what: str) -> Value:
    """One of ours as it is."""
    return lambda figures, who: figures.median(job, who, what)


WANTED: Sequence[Wanted] = (
    Wanted("process, async handler", "process", rate_ratio("process async", "process"), "x", (15, 12, 15)),
    Wanted("process, plain handler", "process", rate_ratio("process plain", "process"), "x", (12, 10, 12)),
    Wanted(
        "process, 10 % fail once, unique and kept",
        "failing",
        rate_ratio("process failing", "process failing"),
        "x",
        (7, 6, 7),
    ),
    Wanted(
        "enqueue in bulk, by Go's one by one", "enqueue", rate_ratio("enqueue bulk", "enqueue one"), "x", (20, 15, 20)
    ),
    Wanted("enqueue one by one", "enqueue", rate_ratio("enqueue one", "enqueue one"), "x", (0.05, 0.07, 0.3)),
    Wanted(
        "enqueue from 100 coroutines, by Go's one by one",
        "enqueue",
        rate_ratio("enqueue 100 coroutines", "enqueue one"),
        "x",
        (3, 3, 3),
    ),
    Wanted("idle, enqueue to start, p50", "latency", value("idle", "p50_ms"), " ms", (5, 5, 3), at_least=False),
    Wanted("idle, enqueue to start, p99", "latency", value("idle", "p99_ms"), " ms", (15, 15, 10), at_least=False),
    Wanted(
        "at half of the full rate, p99", "latency", value("half rate", "p99_ms"), " ms", (50, 50, 50), at_least=False
    ),
    Wanted(
        "CPU of all processes at the full rate, by Go's",
        "process",
        cpu_ratio("process async", "process"),
        "x",
        (0.1, 0.15, 0.1),
        at_least=False,
    ),
    Wanted(
        "CPU at 1 000 tasks/s one by one, by Go's",
        "slow",
        cpu_ratio("slow", "slow"),
        "x",
        (1.2, 4, 1.5),
        at_least=False,
    ),
    Wanted(
        "handlers that wait 1 ms, async",
        "waiting",
        value("process waiting async", "rate"),
        "/s",
        (40_000, 40_000, 40_000),
    ),
    Wanted(
        "handlers that wait 1 ms, plain threads",
        "waiting",
        rate_ratio("process waiting plain", "process waiting"),
        "x",
        (1, 1, 1),
    ),
)


def _on_redis(name: str, part: str, of: Value, unit: str, bound: float, *, at_least: bool = True) -> Wanted:
    return Wanted(name, part, of, unit, (bound,), at_least, REDIS)


REDIS = ("redis",)
WANTED_ON_REDIS: Sequence[Wanted] = (
    _on_redis("process, async handler", "process", rate_ratio("process async", "process"), "x", 4),
    _on_redis("process, plain handler", "process", rate_ratio("process plain", "process"), "x", 3),
    _on_redis("enqueue in bulk, by Go's one by one", "enqueue", rate_ratio("enqueue bulk", "enqueue one"), "x", 6),
    _on_redis("enqueue one by one", "enqueue", rate_ratio("enqueue one", "enqueue one"), "x", 0.5),
    _on_redis(
        "CPU of all processes at the full rate, by Go's",
        "process",
        cpu_ratio("process async", "process"),
        "x",
        0.25,
        at_least=False,
    ),
    _on_redis(
        "idle, Go's producer, enqueue to start, p50", "beside", value(GO_PRODUCER, "p50_ms"), " ms", 5, at_least=False
    ),
    _on_redis(
        "idle, Go's producer, enqueue to start, p99", "beside", value(GO_PRODUCER, "p99_ms"), " ms", 20, at_least=False
    ),
    _on_redis(
        "scheduled, one server of ours among two of Go's: latest start",
        "beside",
        value("scheduled", "max_ms"),
        " ms",
        50,
        at_least=False,
    ),
    _on_redis("the same, earliest start", "beside", value("scheduled", "min_ms"), " ms", 0),
)


def rows(parts: Mapping[str, Any]) -> list[str]:
    """Return the lines of both tables."""
    return [
        *head("", "sqlite FULL", "kafka-python (default)", "confluent-kafka (`fast`)"),
        *(row(one.name, *(one.verdict(parts, who) for who in one.brokers)) for one in WANTED),
        "",
        "On Redis, beside Go:",
        "",
        *head("", "redis"),
        *(row(one.name, *(one.verdict(parts, who) for who in one.brokers)) for one in WANTED_ON_REDIS),
    ]
