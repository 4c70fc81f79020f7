"""What is a scenario?

Contract: a function over a harness, named by the sentence that it proves; it raises AssertionError when the sentence is false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType, ModuleType

from asynq_compat.testing.conformance.harness import QueueHarness

Run = Callable[[QueueHarness], None]

# Real seconds that a scenario may let pass on a broker whose time nobody can move.
PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One promise of the ports.

    Attributes:
        transition: Name of the file it stands in.
        sentence: Name of the function.
        passes_s: How long the broker's time has to move in it.
    """

    transition: str
    sentence: str
    passes_s: float
    run: Run

    @property
    def name(self) -> str:
        """``transition.sentence``, unique in the suite."""
        return f"{self.transition}.{self.sentence}"


def passes(seconds: float) -> Callable[[Run], Run]:
    """Mark a scenario in which `seconds` of the broker's time go by."""

    def mark(function: Run) -> Run:
        function.__dict__["passes_s"] = seconds
        return function

    return mark


def scenarios_of(modules: Iterable[ModuleType]) -> tuple[Scenario, ...]:
    """Return the public functions of the modules, in the order in which they stand there."""
    found = []
    for module in modules:
        transition = module.__name__.rpartition(".")[2]
        for sentence, thing in vars(module).items():
            if isinstance(thing, FunctionType) and thing.__module__ == module.__name__ and not sentence.startswith("_"):
                passes_s = float(thing.__dict__.get("passes_s", 0.0))
                found.append(Scenario(transition=transition, sentence=sentence, passes_s=passes_s, run=thing))
    return tuple(found)
