"""Does the virtual clock move when told, and only then?"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.clock import Clock
from asynq_compat.testing.clock import DEFAULT_START_NS, VirtualClock


def test_it_is_a_clock() -> None:
    clock: Clock = VirtualClock()

    assert clock.now_ns() == DEFAULT_START_NS
    assert clock.monotonic_s() == clock.monotonic_s()


def test_advancing_moves_both_clocks() -> None:
    clock = VirtualClock(start_ns=5_000_000_000)
    before_s = clock.monotonic_s()

    clock.advance_s(1.5)

    assert (clock.now_ns(), clock.now_ms(), clock.now_s()) == (6_500_000_000, 6_500, 6)
    assert clock.monotonic_s() - before_s == pytest.approx(1.5)


@pytest.mark.parametrize("duration", ["1h", None, True, float("nan"), float("inf"), -5])
def test_what_is_no_duration_is_named_and_moves_nothing(duration: Any) -> None:
    clock = VirtualClock()

    with pytest.raises(InvalidArgumentError, match=f"got {duration!r}; "):
        clock.advance(duration)
    assert clock.now_ns() == DEFAULT_START_NS


def test_a_step_moves_the_wall_clock_alone() -> None:
    clock = VirtualClock(start_ns=100_000_000_000)
    before_s = clock.monotonic_s()

    clock.step_s(-60)

    assert clock.now_s() == 40
    assert clock.monotonic_s() == before_s


def test_many_small_steps_lose_nothing() -> None:
    """A float accumulator would drift; integer nanoseconds do not."""
    clock = VirtualClock(start_ns=0)

    for _ in range(1000):
        clock.advance_s(0.001)

    assert clock.now_ns() == 1_000_000_000


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="step_s"):
        VirtualClock().advance_s(-1)


def test_a_waiter_wakes_when_its_instant_is_reached() -> None:
    clock = VirtualClock(start_ns=0)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(clock.wait_until_ns(2_000_000_000)))

    waiter.start()
    clock.advance_s(1)
    assert waiter.is_alive()
    clock.advance_s(1)
    waiter.join(60)

    assert answers == [True]


def test_a_waiter_gives_up_in_real_time() -> None:
    assert VirtualClock(start_ns=0).wait_until_ns(1, give_up_after_s=0.01) is False
