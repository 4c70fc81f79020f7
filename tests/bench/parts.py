"""What does each part of the benchmark measure?

Contract: a part is one function that runs its jobs once, Go's and ours in turns, and notes each figure; rounds are the caller's affair.
`scale` tells how much smaller than in earnest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asynq_compat.connect import choose
from asynq_compat.errors import InvalidArgumentError
from tests.bench import stages
from tests.bench.brokers import JOURNALS
from tests.bench.measure import Figure, Target, computed, go, held, ours, scheduled, served, shared

ALL = ("redis", *JOURNALS)
CONCURRENCY = ("-concurrency", "100")
# The rate at which tasks come one by one.
SLOW_PER_S = 1_000.0
IDLE_PER_S = 20.0
# Where no full rate has been measured: half of that is lower than any.
FULL_PER_S = {"go": 4_000.0, "redis": 20_000.0}
FULL_ELSE_PER_S = 40_000.0
BACKLOGS = (1_000, 10_000, 100_000, 1_000_000)
SERVERS = (1, 2, 4)
PROCESSES = (1, 2)
PARTITIONS = (1, 4)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a part works with: the brokers, where to note a figure (job, who, figure), and the full rates known so far."""

    places: Mapping[str, Target]
    note: Callable[[str, str, Figure], None]
    scale: float
    full_per_s: Mapping[str, float]
    scratch: Path

    def n(self, count: int) -> int:
        """Return a number of tasks to this scale."""
        return max(1000, int(count * self.scale) // 1000 * 1000)

    def fresh(self, who: str) -> Target:
        """Return an emptied broker."""
        place = self.places["redis" if who == "go" else who]
        place.empty()
        return place


def warm_up(bench: Bench) -> None:
    """Let Kafka run until Java has compiled what it runs often, as in any broker that was not started a moment ago."""
    for who in ("kafka", "confluent"):
        ours("enqueue one", bench.fresh(who), bench.n(10_000))
        ours("enqueue bulk", bench.fresh(who), bench.n(100_000))


def enqueue(bench: Bench) -> None:
    """One by one, from many at once, in bulk."""
    n, note = bench.n, bench.note
    note("enqueue one", "go", go("enqueue", bench.fresh("go"), n(20_000)))
    note("enqueue 8", "go", go("enqueue", bench.fresh("go"), n(40_000), "-goroutines", "8"))
    for who in ALL:
        note("enqueue one", who, ours("enqueue one", bench.fresh(who), n(3_000)))
        note("enqueue 100 coroutines", who, ours("enqueue 100 coroutines", bench.fresh(who), n(50_000)))
        note("enqueue bulk", who, ours("enqueue bulk", bench.fresh(who), n(300_000)))


def process(bench: Bench) -> None:
    """A preloaded backlog of tasks whose handlers do nothing."""
    place = bench.fresh("go")
    go("enqueue", place, bench.n(20_000), "-goroutines", "8")
    bench.note("process", "go", go("process", place, bench.n(20_000), *CONCURRENCY))
    for who in ALL:
        for job in ("process async", "process plain"):
            _preloaded(bench, job, who, 100_000 if who == "redis" else 300_000)


def _preloaded(bench: Bench, job: str, who: str, count: int, kind: str = "enqueue bulk") -> None:
    place = bench.fresh(who)
    ours(kind, place, bench.n(count))
    bench.note(job, who, ours(job, place, bench.n(count)))


def failing(bench: Bench) -> None:
    """Every tenth task fails once; all are unique and kept."""
    place = bench.fresh("go")
    go("enqueue", place, bench.n(20_000), "-unique", "-goroutines", "8")
    bench.note("process failing", "go", go("process", place, bench.n(20_000), *CONCURRENCY, "-failing"))
    for who in JOURNALS:
        _preloaded(bench, "process failing", who, 100_000, "enqueue unique")


def waiting(bench: Bench) -> None:
    """Handlers that wait for a millisecond."""
    place = bench.fresh("go")
    go("enqueue", place, bench.n(20_000), "-goroutines", "8")
    bench.note("process waiting", "go", go("process", place, bench.n(20_000), *CONCURRENCY, "-sleep", "1ms"))
    for who in JOURNALS:
        bench.note("bare loop", "asyncio", ours("bare loop", bench.fresh("sqlite"), bench.n(120_000)))
        for job in ("process waiting async", "process waiting plain"):
            _preloaded(bench, job, who, 120_000)


def computing(bench: Bench) -> None:
    """Handlers that compute for two milliseconds, in one process and in two."""
    for who in ("redis", "sqlite"):
        for processes in PROCESSES:
            place, count = bench.fresh(who), bench.n(3_000)
            ours("enqueue bulk", place, count)
            bench.note(f"computing, {processes} processes", who, computed(processes, place, count))


def latency(bench: Bench) -> None:
    """From just before the enqueue call to the first line of the handler: idle, and at half of the full rate."""
    for who in ("go", *ALL):
        idle = max(30, int(100 * bench.scale))
        bench.note("idle", who, served(bench.fresh(who), idle, IDLE_PER_S, skip=10, is_go=who == "go"))
    for who in ("go", *JOURNALS):
        rate = bench.full_per_s.get(who, FULL_PER_S.get(who, FULL_ELSE_PER_S)) / 2
        count = bench.n(int(4 * rate))
        bench.note("half rate", who, served(bench.fresh(who), count, rate, skip=count // 4, is_go=who == "go"))


def beside(bench: Bench) -> None:
    """Both languages on one Redis: Go's producer and our server, idle; what is scheduled, with two servers of Go and one of ours."""
    count = max(30, int(200 * bench.scale))
    figure = served(bench.fresh("redis"), count, IDLE_PER_S, skip=10, is_go=False, has_go_producer=True)
    bench.note("idle, Go's producer", "redis", figure)
    bench.note("scheduled", "go", scheduled(bench.fresh("redis"), count, 3, 0))
    bench.note("scheduled", "redis", scheduled(bench.fresh("redis"), count, 2, 1))


def slow(bench: Bench) -> None:
    """A thousand tasks a second, one by one."""
    for who in ("go", *JOURNALS):
        count = bench.n(5_000)
        bench.note("slow", who, served(bench.fresh(who), count, SLOW_PER_S, skip=count // 10, is_go=who == "go"))


def fleet(bench: Bench) -> None:
    """Several servers, several partitions."""
    for who in ("sqlite", "kafka"):
        for partitions in filter(partial(_takes, bench.places[who]), PARTITIONS):
            for servers in SERVERS:
                place, count = bench.fresh(who), bench.n(200_000)
                ours("enqueue bulk", place, count, partitions)
                figure = shared(place, count, servers, partitions, bench.scratch)
                bench.note(f"{servers} servers, {partitions} partitions", who, figure)


def _takes(place: Target, partitions: int) -> bool:
    """Say whether this release takes so many partitions there."""
    try:
        choose(place.url(partitions), {})
    except InvalidArgumentError:
        return False
    return True


def backlog(bench: Bench) -> None:
    """Server and producer at a backlog that stays as long as it is."""
    for who in ("sqlite", "kafka"):
        for length in BACKLOGS:
            size = length if length <= BACKLOGS[0] else bench.n(length)
            bench.note(f"backlog {length}", who, held(bench.fresh(who), size, bench.n(100_000), bench.scratch))


def steps(bench: Bench) -> None:
    """Where a task's time goes inside the server."""
    for who in JOURNALS:
        place = bench.fresh(who)
        ours("enqueue bulk", place, bench.n(300_000))
        figure = ours("process staged", place, bench.n(300_000))
        bench.note("steps", who, {**figure, "decode_us": stages.decode_us()})


PARTS: dict[str, Callable[[Bench], None]] = {
    "enqueue": enqueue,
    "process": process,
    "failing": failing,
    "waiting": waiting,
    "computing": computing,
    "latency": latency,
    "beside": beside,
    "slow": slow,
    "fleet": fleet,
    "backlog": backlog,
    "steps": steps,
}
# Measured once: they compare ours with ours.
ONE_ROUND = ("fleet", "backlog")
