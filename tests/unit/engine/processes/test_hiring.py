"""When is a worker process made that takes the place of one that died?"""

from __future__ import annotations

import logging

from asynq_compat.config import Config
from asynq_compat.engine.processes.hiring import Hiring
from asynq_compat.servemux import not_found

LOG = logging.getLogger("test.hiring")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s


def hiring(clock: Clock, processes: int = 2, concurrency: int = 4) -> Hiring:
    return Hiring(not_found, Config(processes=processes, concurrency=concurrency), LOG, clock.monotonic_s)


def test_concurrency_is_shared_out() -> None:
    assert hiring(Clock(), processes=3, concurrency=10).sizes == [4, 3, 3]
    assert hiring(Clock(), processes=3, concurrency=3).sizes == [1, 1, 1]


def test_one_that_had_worked_is_replaced_at_once() -> None:
    clock = Clock()
    crew = hiring(clock)

    crew.lost(2, ready_s=99.9, begun_count=1)
    assert crew.wait_s() == 0.0
    assert crew.due() == [2]
    crew.lost(2, ready_s=50.0, begun_count=0)
    assert crew.due() == [2]
    assert crew.wait_s() is None


def test_ones_that_do_not_come_to_life_are_replaced_ever_later_and_then_given_up() -> None:
    clock = Clock()
    crew = hiring(clock)
    waits = []

    for _ in range(8):
        crew.lost(2, ready_s=0.0, begun_count=0)
        assert crew.due() == []
        wait_s = crew.wait_s()
        assert wait_s is not None
        waits.append(round(wait_s, 3))
        clock.now_s += wait_s + 0.001
        assert crew.due() == [2]

    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert crew.is_hopeless
    crew.lost(2, ready_s=clock.now_s, begun_count=1)
    assert not crew.is_hopeless
