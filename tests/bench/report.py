"""How are the figures told?

Contract: pure, but for the text that is written by hand (bounds.md); medians over the rounds, and each ratio against Go in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import plot, targets
from tests.bench.parts import ALL, BACKLOGS, PARTITIONS, PROCESSES, SERVERS
from tests.bench.results import Figures
from tests.bench.stages import STAGES
from tests.bench.table import head, row

Parts = Mapping[str, Any]
PLOT = "backlog.svg"
_BOUNDS = Path(__file__).parent / "bounds.md"
_INTRODUCTION = """# Benchmarks

Made by `make bench`: Go Asynq v0.26.0 on Redis and `asynq_compat` on Redis, on a SQLite file (`synchronous=FULL`) and on Apache Kafka
4.3.1, in turns within each round; medians over the rounds. `kafka` is kafka-python, the default, `confluent` is confluent-kafka, the extra
`fast`. Each measurement is one process with its default settings, concurrency 100, messages of about 110 bytes. Rates of processing are
over a preloaded backlog (Go 20 000 tasks; ours 100 000 on Redis and 300 000 on the journals; 100 000 where tasks fail, 120 000 where
handlers wait), connecting and settling included; handlers look at their context and task. Where tasks fail, both retry at once, and Go's
forwarder looks every 0.1 s instead of every 5 s. Client, server and broker share the machine's cores. Kafka's Java (`-Xmx256m`) has run
warm before the first round.

The figures stand in [benchmarks/results.json](benchmarks/results.json). `python -m tests.bench --only PART,...` measures some parts anew and
keeps the others; `--report` writes this page again.
"""


def page(parts: Parts) -> str:
    """Return the Markdown page."""
    lines = [
        _INTRODUCTION,
        *_conditions(parts),
        "",
        "## What is wanted",
        "",
        "Beside each figure the target. `x` is the multiple of Go Asynq's on Redis in the same run.",
        "",
        *targets.rows(parts),
        "",
        "## Rates",
        "",
        "CPU is microseconds per task: the measured process + the broker's process (= milliseconds per 1 000 tasks).",
        "",
        *head("job", "broker", "tasks/s", "x Go", "CPU us", "x Go's CPU"),
    ]
    for name, jobs in _RATES.items():
        if name in parts:
            lines += _rate_rows(Figures(parts[name]), jobs)
    if "enqueue" in parts:
        figures = Figures(parts["enqueue"])
        ratios = (
            f"{who} {figures.median('enqueue bulk', who, 'rate') / figures.median('enqueue 8', 'go', 'rate'):.1f}x"
            for who in ALL
        )
        lines += ["", f"Our bulk enqueue beside Go's with 8 goroutines: {', '.join(ratios)}."]
    for name, tell in _SECTIONS.items():
        if name in parts:
            lines += ["", *tell(Figures(parts[name]))]
    if "process" in parts:
        lines += ["", *_threads(Figures(parts["process"]))]
    return "\n".join([*lines, "", _BOUNDS.read_text()])


def plots(parts: Parts) -> dict[str, str]:
    """Return the plots by file name."""
    if "backlog" not in parts:
        return {}
    figures = Figures(parts["backlog"])
    curves = {
        f"{who}, {what}": [(length, figures.median(f"backlog {length}", who, f"{what}_us")) for length in BACKLOGS]
        for who in ("sqlite", "kafka")
        for what in ("server", "producer")
    }
    return {PLOT: plot.svg("CPU per task as the backlog grows", "pending tasks", "CPU us per task", curves)}


def _conditions(parts: Parts) -> list[str]:
    return [
        *head("part", "measured (UTC)", "rounds", "load before and behind each round", "command", "with"),
        *(
            row(
                name, one["at"], one["rounds"], ", ".join(map(str, one["loads"])), f"`{one['command']}`", one["machine"]
            )
            for name, one in parts.items()
        ),
    ]


# Part -> job of ours, and the job of Go that it is set beside.
_RATES: dict[str, Sequence[tuple[str, str]]] = {
    "process": (("process async", "process"), ("process plain", "process")),
    "failing": (("process failing", "process failing"),),
    "waiting": (
        ("process waiting async", "process waiting"),
        ("process waiting plain", "process waiting"),
        ("bare loop", "process waiting"),
    ),
    "enqueue": (
        ("enqueue bulk", "enqueue one"),
        ("enqueue one", "enqueue one"),
        ("enqueue 100 coroutines", "enqueue one"),
    ),
}


def _rate_rows(figures: Figures, jobs: Sequence[tuple[str, str]]) -> list[str]:
    peers = [*dict.fromkeys(peer for _, peer in jobs), *(["enqueue 8"] if figures.has("enqueue 8", "go") else [])]
    rows = [_rate_row(figures, peer, "go", peer) for peer in peers]
    for job, peer in jobs:
        rows += [_rate_row(figures, job, who, peer) for who in (*ALL, "asyncio") if figures.has(job, who)]
    return rows


def _rate_row(figures: Figures, job: str, who: str, peer: str) -> str:
    rate, cpu = figures.median(job, who, "rate"), figures.cpu_us(job, who)
    own, broker = figures.median(job, who, "own_us"), figures.median(job, who, "broker_us")
    by_go = rate / figures.median(peer, "go", "rate"), cpu / figures.cpu_us(peer, "go")
    return row(job, who, f"{rate:,.0f}", f"{by_go[0]:.2f}", f"{own:.1f} + {broker:.1f}", f"{by_go[1]:.2f}")


def _latency(figures: Figures) -> list[str]:
    rows = [
        "## Latency",
        "",
        "From just before the enqueue call to the first line of the handler; another process produces, of the same language. Idle: one task",
        "every 50 ms. Half rate: half of what the server of that line can do.",
        "",
        *head("", "server", "tasks/s", "p50 ms", "p99 ms", "longest ms"),
    ]
    for job in ("idle", "half rate"):
        for who in ("go", *ALL):
            if figures.has(job, who):
                told = (f"{figures.median(job, who, what):,.1f}" for what in ("rate", "p50_ms", "p99_ms", "max_ms"))
                rows.append(row(job, who, *told))
    return rows


def _beside(figures: Figures) -> list[str]:
    rows = [
        "## Both languages on one Redis",
        "",
        "Idle: a Go producer, a server of ours, one task every 50 ms. Scheduled: a Go producer schedules 200 tasks for the next eight whole",
        "seconds; how late they begin with three servers of Go, and with two of Go and one of ours.",
        "",
        *head("", "servers", "earliest ms", "p50 ms", "p99 ms", "latest ms", "run by ours"),
    ]
    idle = (f"{figures.median(targets.GO_PRODUCER, 'redis', what):,.1f}" for what in ("p50_ms", "p99_ms", "max_ms"))
    rows.append(row("idle", "ours", "", *idle, "100 %"))
    for who, servers in (("go", "3 of Go"), ("redis", "2 of Go, 1 of ours")):
        told = (f"{figures.median('scheduled', who, what):,.1f}" for what in ("min_ms", "p50_ms", "p99_ms", "max_ms"))
        rows.append(row("scheduled", servers, *told, f"{figures.median('scheduled', who, 'share'):.0%}"))
    return rows


def _slow(figures: Figures) -> list[str]:
    rows = [
        "## A thousand tasks a second, one by one",
        "",
        "Each task is enqueued by a call of its own at its time, whatever the answers. CPU microseconds per task of all processes; whatever",
        "they do in that time counts, a broker's housekeeping too.",
        "",
        *head("", "server", "producer", "broker", "all", "x Go's", "p99 ms"),
    ]
    for who in ("go", *ALL):
        if figures.has("slow", who):
            told = [figures.median("slow", who, what) for what in ("server_us", "producer_us", "broker_us")]
            both = figures.cpu_us("slow", who)
            ratio = both / figures.cpu_us("slow", "go")
            p99 = figures.median("slow", who, "p99_ms")
            rows.append(row(who, *(f"{us:.0f}" for us in (*told, both)), f"{ratio:.2f}", f"{p99:.1f}"))
    return rows


def _computing(figures: Figures) -> list[str]:
    rows = [
        "## Handlers that compute, in several processes",
        "",
        "Each handler computes for about two milliseconds in pure Python; `concurrency` 8. Tasks/s, and CPU microseconds per task of server and workers.",
        "",
        *head("", *(f"`processes={n}`" for n in PROCESSES), "times"),
    ]
    for who in ("redis", "sqlite"):
        jobs = [f"computing, {processes} processes" for processes in PROCESSES]
        rates = [figures.median(job, who, "rate") for job in jobs]
        told = (
            f"{rate:,.0f}/s, {figures.median(job, who, 'own_us'):,.0f} us"
            for job, rate in zip(jobs, rates, strict=True)
        )
        rows.append(row(who, *told, f"{rates[-1] / rates[0]:.2f}x"))
    return rows


def _fleet(figures: Figures) -> list[str]:
    rows = [
        "## Several servers, several partitions",
        "",
        "Servers of 100 slots each empty a preloaded backlog of 200 000 tasks; tasks/s of all, CPU microseconds per task of all servers + broker.",
        "They share this machine's cores with each other and the broker.",
        "",
        *head("", "partitions", *(f"{n} server{'s' * (n > 1)}" for n in SERVERS)),
    ]
    for who in ALL:
        for partitions in PARTITIONS:
            jobs = [f"{servers} servers, {partitions} partitions" for servers in SERVERS]
            if all(figures.has(job, who) for job in jobs):
                cells = (
                    f"{figures.median(job, who, 'rate'):,.0f}/s, {figures.median(job, who, 'own_us'):.1f} + "
                    f"{figures.median(job, who, 'broker_us'):.1f} us"
                    for job in jobs
                )
                rows.append(row(who, partitions, *cells))
    return rows


def _backlog(figures: Figures) -> list[str]:
    rows = [
        "## Cost per task as the backlog grows",
        "",
        "A producer keeps so many tasks pending while a server handles 100 000. CPU microseconds per task: server + producer + broker.",
        "",
        f"![CPU per task as the backlog grows](benchmarks/{PLOT})",
        "",
        *head("", *(f"{length:,}" for length in BACKLOGS)),
    ]
    for who in ("sqlite", "kafka"):
        cells = (
            " + ".join(
                f"{figures.median(f'backlog {n}', who, f'{what}_us'):.1f}" for what in ("server", "producer", "broker")
            )
            for n in BACKLOGS
        )
        rows.append(row(who, *cells))
    return rows


def _steps(figures: Figures) -> list[str]:
    rows = [
        "## Where a task's time goes",
        "",
        "CPU microseconds per task of each step in the server, `process async`, taken at the doors through which batches pass; `start` holds the",
        "decoding of the message, which by itself takes what the last column says. The rest is connecting and the end.",
        "",
        *head("", *STAGES, "rest", "sum", "of it decoding"),
    ]
    for who in ALL:
        if figures.has("steps", who):
            spent = figures.stages("steps", who)
            cells = [spent.get(stage, 0.0) for stage in STAGES]
            whole = figures.median("steps", who, "own_us")
            told = (
                f"{us:.2f}" for us in (*cells, whole - sum(cells), whole, figures.median("steps", who, "decode_us"))
            )
            rows.append(row(who, *told))
    return rows


_SECTIONS = {
    "computing": _computing,
    "latency": _latency,
    "beside": _beside,
    "slow": _slow,
    "fleet": _fleet,
    "backlog": _backlog,
    "steps": _steps,
}
_THREADS = ("replica", "processor", "loop", "worker", "settler", "writer", "kafka")


def _threads(figures: Figures) -> list[str]:
    rows = [
        "CPU microseconds per task of each of the server's threads, with nothing else looked at: the replica reads and folds, loop and workers",
        "start handlers and run them, the settler settles.",
        "",
        *head("job", "broker", *_THREADS, "rest"),
    ]
    for job in ("process async", "process plain"):
        for who in ALL:
            if figures.has(job, who):
                by_thread = figures.stages(job, who)
                spent = [by_thread.get(thread, 0.0) for thread in _THREADS]
                rest = figures.median(job, who, "own_us") - sum(spent)
                rows.append(row(job, who, *(f"{us:.1f}" for us in (*spent, rest))))
    return rows
