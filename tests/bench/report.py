"""How are the figures told?

Contract: pure; medians over the rounds, and each ratio against Go in the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from tests.bench.measure import Figure

# Job of ours -> the job of Go that it is set beside, and the least ratio that we accept per broker.
FLOORS: dict[str, tuple[str, dict[str, float]]] = {
    "process async": ("process", {"redis": 2, "sqlite": 2.5, "kafka": 2.5}),
    "process plain": ("process", {"redis": 2, "sqlite": 2.5, "kafka": 2.5}),
    "process waiting": ("process", {}),
    "enqueue bulk": ("enqueue one", {"redis": 4, "sqlite": 10, "kafka": 10}),
    "enqueue one": ("enqueue one", {}),
}
# A server's threads, in the order in which a task meets them: replica folds, loop and workers start and run, settler settles.
_STAGES = ("replica", "processor", "loop", "worker", "settler", "writer", "kafka")
P50_MS_MAX, P99_MS_MAX = 10.0, 40.0
_INTRODUCTION = (
    "# Benchmarks",
    "",
    "Made by `make bench`: Go Asynq v0.26.0 on Redis and `asynq_compat` on Redis, on a SQLite file (`synchronous=FULL`) and on",
    "Apache Kafka 4.3.1 (kafka-python), in turns within each round; medians over the rounds. Each measurement is one process",
    "with its default settings, concurrency 100, handlers that look at their context and task, messages of about 110 bytes, a",
    "preloaded backlog (Go 20 000 tasks, ours 100 000 on Redis and 300 000 on the journals), connect and settling included. The job",
    "`process waiting` has a fifth of them, and handlers that sleep for a millisecond.",
    "Client, server and broker share the machine's cores.",
    "",
    "One task at a time, Go's rate and ours hang on how quickly an idle core of the machine wakes up. Where two idle-priority loops keep",
    "both cores awake, Go's one-by-one enqueue makes 12 000/s instead of 6 000/s here, our bulk enqueue 62 000/s on Redis (5x) and",
    "154 000/s on SQLite (13x); Go's processing does not change.",
    "",
)

_COLD = (
    "## A new process at a long backlog",
    "",
    "`python -m tests.bench.cold`: 1 000 000 tasks of about 200 bytes wait, one server lives, a new process makes a `Client` and enqueues a",
    "unique task; medians of five processes. Measured while other work kept both cores busy (load 7 to 17), so most of the time is",
    "waiting for a core; the process itself needs 0.4 s of CPU with SQLite and 0.6 s with Kafka, most of it imports.",
    "",
    "| journal | a server replies | of it the enqueue | no server: the client reads the journal |",
    "|---|---|---|---|",
    "| sqlite | 0.8 to 1.2 s | 9 to 90 ms | 6 to 17 s |",
    "| kafka | 0.8 to 1.6 s | 0.3 to 0.4 s (topics are looked at, connections made) | 5 to 8 s |",
    "",
)


def _median(values: Sequence[Figure], what: str) -> float:
    return statistics.median(float(getattr(value, what)) for value in values)


def _merged(figures: Mapping[tuple[str, str], Sequence[Figure]]) -> dict[tuple[str, str], list[Figure]]:
    merged: dict[tuple[str, str], list[Figure]] = {}
    for (job, who), values in figures.items():
        merged.setdefault((job if not job.startswith("enqueue bulk") else "enqueue bulk", who), []).extend(values)
    return merged


def _rate_rows(figures: Mapping[tuple[str, str], Sequence[Figure]]) -> list[str]:
    rows = []
    for job, (peer, floors) in FLOORS.items():
        base, base_us = _median(figures[peer, "go"], "rate"), _total_us(figures[peer, "go"])
        for who in ("redis", "sqlite", "kafka"):
            values = figures[job, who]
            rate, floor = _median(values, "rate"), floors.get(who)
            verdict = "" if floor is None else f"{'met' if rate / base >= floor else 'MISSED'} (>= {floor:g}x)"
            rows.append(
                f"| {job} | {who} | {rate:,.0f} | {base:,.0f} | {rate / base:.1f}x | {verdict} |"
                f" {_median(values, 'own_us'):.1f} + {_median(values, 'broker_us'):.1f} | {_total_us(values) / base_us:.2f}x |"
            )
    return rows


def _total_us(values: Sequence[Figure]) -> float:
    return statistics.median(value.own_us + value.broker_us for value in values)


def _stage_rows(figures: Mapping[tuple[str, str], Sequence[Figure]]) -> list[str]:
    rows = [
        "## Where a task's time goes",
        "",
        "CPU microseconds per task of each of the server's threads: the replica reads and folds, loop and workers start handlers and run",
        "them, the settler settles; the rest is imports, connecting and the shutdown.",
        "",
        f"| job | broker | {' | '.join(_STAGES)} | rest |",
        f"|---|---|{'---|' * (len(_STAGES) + 1)}",
    ]
    for (job, who), values in figures.items():
        if job.startswith("process") and who != "go":
            spent = [statistics.median(value.stages_us.get(stage, 0.0) for value in values) for stage in _STAGES]
            rest = _median(values, "own_us") - sum(spent)
            rows.append(f"| {job} | {who} | {' | '.join(f'{us:.1f}' for us in (*spent, rest))} |")
    return [*rows, ""]


def _go_rows(figures: Mapping[tuple[str, str], Sequence[Figure]]) -> list[str]:
    return [
        f"| {job} | {_median(values, 'rate'):,.0f} | {_median(values, 'own_us'):.1f} + {_median(values, 'broker_us'):.1f} |"
        for (job, who), values in figures.items()
        if who == "go"
    ]


def _latency_rows(waits: Mapping[str, Sequence[Sequence[float]]]) -> list[str]:
    rows = []
    for who, rounds in waits.items():
        p50 = statistics.median(values[len(values) // 2] for values in rounds)
        p99 = statistics.median(values[int(len(values) * 0.99)] for values in rounds)
        verdict = "" if who == "go" else ("met" if p50 <= P50_MS_MAX and p99 <= P99_MS_MAX else "MISSED")
        producer = "Go" if who in {"go", "redis"} else "Python"
        rows.append(f"| {who} | {producer} | {p50:.1f} | {p99:.1f} | {verdict} |")
    return rows


def page(
    figures: Mapping[tuple[str, str], Sequence[Figure]], waits: Mapping[str, Sequence[Sequence[float]]], machine: str
) -> str:
    """Return the Markdown page of the medians."""
    merged = _merged(figures)
    return "\n".join(
        [
            *_INTRODUCTION,
            f"Machine: {machine}.",
            "",
            "## Rates",
            "",
            "CPU is microseconds per task: the measured process + the broker's process (= milliseconds per 1 000 tasks).",
            "",
            "| job | broker | ours, tasks/s | Go + Redis, tasks/s | ratio | floor | CPU us | CPU vs Go |",
            "|---|---|---|---|---|---|---|---|",
            *_rate_rows(merged),
            "",
            "Go Asynq by itself:",
            "",
            "| job | tasks/s | CPU us (process + Redis) |",
            "|---|---|---|",
            *_go_rows(merged),
            "",
            *_stage_rows(merged),
            "## Idle latency",
            "",
            "From just before the enqueue call to the first line of the handler, one task every 50 ms, another process producing.",
            f"Wanted: p50 <= {P50_MS_MAX:g} ms, p99 <= {P99_MS_MAX:g} ms.",
            "",
            "| server | producer | p50 ms | p99 ms | |",
            "|---|---|---|---|---|",
            *_latency_rows(waits),
            "",
            *_COLD,
        ]
    )
