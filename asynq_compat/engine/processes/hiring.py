"""When is a new worker process made, and with what?

Contract: the crew's thread alone, but for `settings`. A worker that has done something and dies is replaced at once; where they die
before, the next one waits twice as long each time, and when none is left and that goes on, it is given up.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from asynq_compat.config import Config
from asynq_compat.engine.processes.between import logs
from asynq_compat.engine.processes.between.program import main_source, pack_program
from asynq_compat.servemux import Handler

_WAIT_FIRST_S = 0.1
_WAIT_MAX_S = 5.0
# A worker that lives so long, or has begun a task, was made well.
_PROVEN_S = 1.0
# So often in a row none comes to life before the server gives up: within about three seconds.
_FAILURES_MAX = 6


class Hiring:
    """How workers are made, and when."""

    def __init__(
        self,
        handler: Handler,
        config: Config,
        log: logging.Logger,
        monotonic_s: Callable[[], float] = time.monotonic,
        *,
        measures: bool = False,
    ) -> None:
        """Pack the program; with `measures` workers tell how long handlers take.

        Raises:
            InvalidArgumentError: It cannot be sent.
        """
        self._program, needs_main = pack_program(handler, config)
        self._main = main_source() if needs_main else None  # By now: the program may change its folder.
        self._measures = measures
        self._log = log
        self._monotonic_s = monotonic_s
        count, rest = divmod(config.concurrency, config.processes)
        self.sizes = [count + (number < rest) for number in range(config.processes)]
        self._due: list[tuple[float, int]] = []
        self._failure_count = 0  # In a row.

    def settings(self) -> dict[str, Any]:
        """Return what a worker is told at its start."""
        return {
            "argv": sys.argv,
            "program": self._program,
            "main": self._main,
            "level": self._log.getEffectiveLevel(),
            "levels": logs.levels(),
            "measures": self._measures,
        }

    def lost(self, slots: int, ready_s: float, begun_count: int) -> None:
        """A worker has died that was ready since `ready_s` (0: never) and began so many tasks."""
        now_s = self._monotonic_s()
        if ready_s and (begun_count or now_s - ready_s > _PROVEN_S):
            self._failure_count = 0
            wait_s = 0.0
        else:
            self._failure_count += 1
            wait_s = min(_WAIT_FIRST_S * 2 ** (self._failure_count - 1), _WAIT_MAX_S)
        self._due.append((now_s + wait_s, slots))

    @property
    def is_hopeless(self) -> bool:
        """Many in a row have not come to life."""
        return self._failure_count >= _FAILURES_MAX

    def due(self) -> list[int]:
        """Return the sizes of the workers that are to be made now."""
        now_s = self._monotonic_s()
        due = [slots for at_s, slots in self._due if at_s <= now_s]
        self._due = [one for one in self._due if one[0] > now_s]
        return due

    def wait_s(self) -> float | None:
        """Return how long until the next is due; None for none."""
        return min(at_s for at_s, _ in self._due) - self._monotonic_s() if self._due else None
