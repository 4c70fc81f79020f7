"""Is a passed deadline noticed, and nothing else?"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from asynq_compat.engine.deadlines import Deadlines
from asynq_compat.engine.run import Run
from asynq_compat.ports.consuming import Lease
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage
from tests.services.waiting import wait_until

CLOCK = SystemClock()
MS = 1_000_000


class Ever:
    """A term that never ends."""

    def is_valid(self) -> bool:
        return True


class NoHome:
    """These runs run nowhere."""

    write_result = run_async = run_plain = None


class Watched:
    """Attempts under watch."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self.clock = clock
        self.running: set[Run] = set()
        self.over: list[str] = []
        self.deadlines = Deadlines(lambda: list(self.running), self.end, lambda: None, clock, logging.getLogger("test"))

    def end(self, run: Run) -> None:
        self.running.discard(run)
        self.over.append(run.task_id)

    def begin(self, task_id: str, in_ms: int) -> None:
        deadline_ns = self.clock.now_ns() + in_ms * MS
        lease = Lease("default", task_id, b"", Ever())
        self.running.add(Run(NoHome(), lease, TaskMessage(), 0, deadline_ns))  # type: ignore[arg-type]  # no home
        self.deadlines.notice(deadline_ns)


@contextmanager
def watched() -> Iterator[Watched]:
    attempts = Watched()
    attempts.deadlines.start()
    yield attempts
    attempts.deadlines.stop()


def test_the_earliest_ends_first() -> None:
    clock = VirtualClock()
    attempts = Watched(clock)
    attempts.begin("far", 3_600_000)
    attempts.begin("later", 120_000)
    attempts.begin("soon", 40_000)
    seen = []
    for step_s in (39, 1, 79, 1):
        clock.advance_s(step_s)
        attempts.deadlines._look()
        seen.append(list(attempts.over))

    assert seen == [[], ["soon"], ["soon"], ["soon", "later"]]
    assert {run.task_id for run in attempts.running} == {"far"}


def test_a_deadline_is_noticed_when_it_has_come_and_never_early() -> None:
    with watched() as attempts:
        attempts.begin("far", 3_600_000)
        for number, task_id in enumerate(("soon", "later"), 1):
            begun_ns = CLOCK.now_ns()
            attempts.begin(task_id, 40)
            wait_until(lambda number=number: len(attempts.over) == number, f"the end of {task_id}")  # type: ignore[misc]
            assert CLOCK.now_ns() - begun_ns >= 40 * MS

    assert attempts.over == ["soon", "later"]
    assert {run.task_id for run in attempts.running} == {"far"}


def test_a_deadline_of_a_task_that_ended_costs_nothing_else() -> None:
    with watched() as attempts:
        attempts.deadlines.notice(CLOCK.now_ns() + 20 * MS)  # Its task has ended.
        attempts.begin("next", 60)

        wait_until(lambda: bool(attempts.over), "the end of the next")

    assert attempts.over == ["next"]


@pytest.mark.parametrize("step_s", [3_600, -3_600])
def test_a_clock_that_is_set_takes_and_gives_no_time(step_s: int) -> None:
    clock = VirtualClock()
    attempts = Watched(clock)
    attempts.begin("runs", 10_000)

    clock.advance_s(5)
    clock.step_s(step_s)
    attempts.deadlines.follow_clock()
    attempts.begin("begun since", 10_000)
    clock.advance_s(4)
    attempts.deadlines.follow_clock()
    attempts.deadlines._look()
    assert attempts.over == []

    clock.advance_s(1)
    attempts.deadlines._look()
    assert attempts.over == ["runs"]
    clock.advance_s(5)
    attempts.deadlines._look()
    assert attempts.over == ["runs", "begun since"]
