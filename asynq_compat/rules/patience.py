"""When has a group waited long enough?

Contract: pure. Durations are whole seconds, as Asynq cuts them.
Source: asynq v0.26.0 `aggregationCheckCmd`; docs/semantics.md, "aggregate".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """What ends a group's waiting.

    Attributes:
        size_max: It is full with so many tasks, and no set has more; 0: no limit.
        delay_s: Its first task waits at most so long; 0: no limit.
        grace_s: No task has come for so long.
    """

    size_max: int
    delay_s: int
    grace_s: int

    def is_over(self, line: Sequence[tuple[int, str]], now_s: int) -> bool:
        """Return whether a set is to be made of tasks that came at these seconds, in order; there is at least one."""
        return bool(self.size_max and len(line) >= self.size_max) or self.over_since_s(line) <= now_s

    def over_since_s(self, line: Sequence[tuple[int, str]]) -> int:
        """Return since when that is so, or from when on it will be if nothing comes."""
        over_s = line[-1][0] + self.grace_s
        if self.delay_s:
            over_s = min(over_s, line[0][0] + self.delay_s)
        if self.size_max and len(line) >= self.size_max:
            over_s = min(over_s, line[self.size_max - 1][0])
        return over_s
