"""How fast is it, beside Go Asynq on the same machine in the same minutes?

`make bench` runs every job in turns, three rounds, and writes medians and ratios to docs/benchmarks.md. `--quick` runs one small round
and writes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import redis
from rich.console import Console

from tests.bench import report
from tests.bench.measure import Figure, Target, go, latencies_ms, ours
from tests.services import golang
from tests.services.kafka import KafkaCluster
from tests.services.redis import RedisServer

console = Console(stderr=True)
CONCURRENCY = ("-concurrency", "100")
Figures = dict[tuple[str, str], list[Figure]]
Latencies = dict[str, list[list[float]]]


@contextlib.contextmanager
def targets() -> Iterator[dict[str, Target]]:
    """Start the brokers and yield the targets by name."""
    with tempfile.TemporaryDirectory() as scratch:
        server, cluster = RedisServer(), KafkaCluster()
        names = {"sqlite": "", "kafka": ""}

        def renew(name: str) -> None:
            names[name] = uuid.uuid4().hex[:8]

        def flush() -> None:
            with redis.Redis.from_url(server.url) as connection:
                connection.flushall()

        try:
            yield {
                "redis": Target("redis", lambda: server.url, server.pid, flush),
                "sqlite": Target(
                    "sqlite", lambda: f"sqlite:///{scratch}/{names['sqlite']}.db", None, lambda: renew("sqlite")
                ),
                "kafka": Target(
                    "kafka",
                    lambda: f"redpanda://{cluster.bootstrap}/b{names['kafka']}",
                    cluster.pid,
                    lambda: renew("kafka"),
                ),
            }
        finally:
            server.stop()
            cluster.stop()


def round_of(places: dict[str, Target], scale: float, figures: Figures, waits: Latencies) -> None:
    """Run every job once, Go and ours in turns."""

    def note(job: str, who: str, figure: Figure) -> None:
        figures.setdefault((job, who), []).append(figure)
        console.print(
            f"{job:16} {who:8} {figure.rate:12,.0f}/s  own {figure.own_us:7.1f} us  broker {figure.broker_us:7.1f} us  "
            + " ".join(f"{duty} {us:.1f}" for duty, us in figure.stages_us.items() if us >= 0.1)
        )

    def n(count: int) -> int:
        return max(1000, int(count * scale) // 1000 * 1000)

    one = places["redis"]
    one.empty()
    note("enqueue one", "go", go("enqueue", one, n(20_000)))
    note("process", "go", go("process", one, n(20_000), *CONCURRENCY))
    one.empty()
    note("enqueue 8", "go", go("enqueue", one, n(40_000), "-goroutines", "8"))
    for name, place in places.items():
        count = n(100_000 if name == "redis" else 300_000)
        place.empty()
        note("enqueue one", name, ours("enqueue_one", place, n(3_000)))
        for kind, part in (("async", 1), ("plain", 1), ("waiting", 5)):
            place.empty()
            note(f"enqueue bulk {kind}", name, ours("enqueue_bulk", place, count // part))
            note(f"process {kind}", name, ours(f"process_{kind}", place, count // part))
    ticks = max(30, int(110 * scale))
    for who, place in (("go", one), *places.items()):
        place.empty()
        addr = one.url().removeprefix("redis://")
        program = golang.build("go_asynq")
        python: list[str | Path] = [sys.executable, "-m", "tests.bench.job"]
        server: list[str | Path] = (
            [program, "-addr", addr, "-job", "serve"] if who == "go" else [*python, "serve", place.url(), "0"]
        )
        go_producer: list[str | Path] = [program, "-addr", addr, "-job", "ticks", "-n", str(ticks)]
        producer = go_producer if who in {"go", "redis"} else [*python, "ticks", place.url(), str(ticks)]
        waits.setdefault(who, []).append(latencies_ms(server, producer, ticks))
        console.print(f"idle latency     {who:8} p50 {statistics.median(waits[who][-1]):8.1f} ms")


def main() -> None:
    """Run the rounds and write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round at a tenth of the size; writes nothing")
    arguments = parser.parse_args()
    figures: Figures = {}
    waits: Latencies = {}
    with targets() as places:
        for number in range(1 if arguments.quick else arguments.rounds):
            console.print(f"round {number + 1}")
            round_of(places, 0.1 if arguments.quick else 1.0, figures, waits)
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, CPython {platform.python_version()}"
    text = report.page(figures, waits, machine)
    print(text)
    if not arguments.quick:
        Path("docs/benchmarks.md").write_text(text)


if __name__ == "__main__":
    main()
