"""What is one journal of a simulated world?

Contract: the log, that of its checkpoints, and who sees every entry. A log may lose its end, or be made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from tests.simulator.control_observer import ControlObserver
from tests.simulator.log import Log
from tests.simulator.observer import Observer

_O = TypeVar("_O", Observer, ControlObserver)


@dataclass
class Place(Generic[_O]):
    """One journal.

    Attributes:
        observer: Sees each entry.
        epoch: How often the log was not what it had been.
        on_another_log: Told when it is not what it was.
    """

    name: str
    observer: _O
    log: Log = field(default_factory=Log)
    state: Log = field(default_factory=Log)
    epoch: int = 0
    on_another_log: list[Callable[[], None]] = field(default_factory=list)
    _seen_ms: list[int] = field(default_factory=list)

    @property
    def machine(self) -> Machine | ControlMachine:
        """The observer's."""
        return self.observer.machine

    def saw(self, now_ms: int) -> None:
        """Let the observer see the entry that was just added."""
        self._seen_ms.append(now_ms)
        self.observer.see(now_ms, self.log.entries[-1])

    def go_back(self, count: int) -> bool:
        """Lose the last entries, as many as can be lost; what the observer knew of them is void. Return whether there were any."""
        count = min(count, len(self.log.entries))
        kept = len(self.log.entries) - count
        if kept and self.log.positions[kept - 1] < self.log.first:
            return False  # Of what was cut nothing can be lost.
        self.log.go_back(count)
        del self._seen_ms[kept:]
        self.epoch += 1
        self.observer = self.observer.of_what_is_left(list(zip(self._seen_ms, self.log.entries, strict=True)))
        for tell in self.on_another_log:
            tell()
        return True
