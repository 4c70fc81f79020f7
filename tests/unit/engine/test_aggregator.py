"""Do many groups of a journal become tasks in few entries, and does each stand for itself all the same?"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.config import Config, GroupAggregatorFunc
from asynq_compat.engine.duties.aggregator import Aggregator
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.options import Group, ProcessIn, TaskID, Unique
from asynq_compat.ports.broker import Broker
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from tests.services.waiting import wait_until
from tests.unit.brokers.journal.workplace import open_intake, request

LOG = logging.getLogger("test.aggregator")
SET_LIFETIME_S = 120


@dataclass
class Bench:
    """A broker in memory with a server that gets nothing: its aggregator runs when it is told to."""

    broker: Broker
    store: MemoryJournalStore
    clock: VirtualClock

    def add(self, *groups: str, size: int = 2) -> None:
        """Let full groups wait."""
        self.broker.producing.enqueue(
            [request(task_id=f"{group}/{number}", group=group) for number in range(size) for group in groups]
        )

    def aggregate(self, join: GroupAggregatorFunc) -> int:
        """Run one round; return how many entries it cost."""
        self.stats()
        journal = self.store.open(queue_journal_name("default"))
        before = journal.end()
        Aggregator(self.broker.maintaining, join, Config(group_max_size=2), self.clock, LOG).aggregate()
        return journal.end() - before

    def aggregate_until(self, join: GroupAggregatorFunc, stats: tuple[int, int]) -> None:
        """Run rounds until it is so: where time was moved, sets return with an entry that somebody has to write, or a lease is over."""

        def is_so() -> bool:
            self.aggregate(join)
            return self.stats() == stats

        wait_until(is_so, f"{stats} outside of groups and in them")

    def stats(self) -> tuple[int, int]:
        """Return how many tasks there are outside of groups, and how many in them."""
        stats = self.broker.inspecting.queue_stats("default")
        assert stats is not None
        return stats.pending + stats.active, stats.aggregating


@pytest.fixture(params=[1, 3], ids=["one partition", "three partitions"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    clock = VirtualClock()
    store = MemoryJournalStore(uuid.uuid4().hex, now_ms=lambda: clock.now_ns() // 1_000_000)
    broker = open_journal(store, clock=clock, idle_s=0.01, replica=True, partition_count=request.param)
    intake = open_intake(broker, 1)
    yield Bench(broker, store, clock)
    intake.close()
    broker.close()


def names(count: int) -> list[str]:
    return [f"g{number}" for number in range(count)]


def as_one(group: str, tasks: list[Task]) -> Task:
    return Task("joined", f"{group} {len(tasks)}".encode())


def test_a_thousand_groups_cost_few_entries(bench: Bench) -> None:
    bench.add(*names(1000))

    entries = bench.aggregate(as_one)

    assert entries < 40
    assert bench.stats() == (1000, 0)


def test_a_function_that_raises_costs_its_own_group_only(bench: Bench) -> None:
    def refusing(group: str, tasks: list[Task]) -> Task:
        if group in ("g7", "g40"):
            raise SystemExit(group)
        return as_one(group, tasks)

    bench.add(*names(50))
    bench.aggregate(refusing)
    assert bench.stats() == (48, 0)

    bench.clock.advance_s(SET_LIFETIME_S)
    bench.aggregate_until(as_one, (50, 0))


def test_one_that_is_refused_costs_its_own_group_only(bench: Bench) -> None:
    """Its lock is taken by the one before it in the same batch."""

    def alike(group: str, tasks: list[Task]) -> Task:
        if group in ("g7", "g40"):
            return Task("alike", b"", TaskID("alike"))
        return as_one(group, tasks)

    bench.add(*names(50))
    bench.aggregate(alike)

    assert bench.stats() == (49, 0)


def test_sets_last_long_enough_for_a_function_that_takes_its_time(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(group: str, tasks: list[Task]) -> Task:
        bench.clock.advance_s(5)
        return as_one(group, tasks)

    bench.add(*names(60))
    bench.aggregate_until(slow, (60, 0))

    assert "deadline" not in caplog.text


def test_what_is_made_does_not_wait_for_a_function_that_has_become_slow(bench: Bench) -> None:
    stored: list[int] = []

    def slow_at_last(group: str, tasks: list[Task]) -> Task:
        if len(stored) >= 100:
            bench.clock.advance_s(2)
        stored.append(bench.stats()[0])
        return as_one(group, tasks)

    bench.add(*names(150))
    bench.aggregate_until(slow_at_last, (150, 0))

    assert [made - seen for made, seen in enumerate(stored) if made > 101] == [0] * 48


def test_no_more_than_some_megabytes_wait_to_be_stored(bench: Bench) -> None:
    waiting: list[int] = []

    def large(group: str, tasks: list[Task]) -> Task:
        waiting.append(len(waiting) - bench.stats()[0])
        return Task("joined", bytes(300_000))

    bench.add(*names(40))
    bench.aggregate(large)

    assert bench.stats() == (40, 0)
    assert max(waiting) == 3


def test_a_set_whose_time_is_over_is_not_handed_to_the_function(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    called: list[str] = []

    def stuck(group: str, tasks: list[Task]) -> Task:
        called.append(group)
        if len(called) == 90:
            bench.clock.advance_s(SET_LIFETIME_S)
        return as_one(group, tasks)

    bench.add(*names(100))
    bench.aggregate(stuck)

    assert len(called) == 90
    assert "context deadline exceeded" in caplog.text


def test_tasks_that_are_grouped_unique_or_named_are_made_of_many_sets_at_once(bench: Bench) -> None:
    """Where their partition is not their set's, they are stored first and the sets deleted then."""

    def any_kind(group: str, tasks: list[Task]) -> Task:
        number = int(group[1:])
        option = [TaskID(f"one{number}"), Unique(600), ProcessIn(600), Group("again")][number % 4]
        return Task("joined", group.encode(), option)

    bench.add(*names(200))
    bench.aggregate(any_kind)

    assert bench.stats() == (100, 50)
    assert bench.broker.inspecting.groups("default") == [("again", 50)]
