"""What stands in for every broker and clock while tests run?

Contract: nothing, but where `asynq_compat.testing` has put something in. It then takes the place of whatever target and clock a program
names; an open `Broker` that is passed in stays what it is. Set by one thread, read by any.
"""

from __future__ import annotations

from dataclasses import dataclass

from asynq_compat.ports.broker import Broker
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock


@dataclass(frozen=True, slots=True)
class StandIn:
    """A broker and a clock that take the place of all others."""

    broker: Broker
    clock: Clock


_standing_in: StandIn | None = None


def standing_in() -> StandIn | None:
    """Return what stands in; None where programs get what they ask for."""
    return _standing_in


def stand_in(one: StandIn | None) -> None:
    """Let `one` stand in from now on; None: programs get what they ask for."""
    global _standing_in
    _standing_in = one


def clock_for(clock: Clock | None) -> Clock:
    """Return the clock that a program gets which asks for `clock`; None is that of the system."""
    if _standing_in is not None:
        return _standing_in.clock
    return SystemClock() if clock is None else clock
