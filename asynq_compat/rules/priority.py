"""In which order are queues asked for a task?

Contract: pure; chance is an argument. Every queue is named exactly once, so that an empty one never hides the others.
Not obvious: Asynq repeats each name `weight` times, shuffles and keeps first occurrences. That is sampling without replacement in
proportion to the weights, drawn here directly: the price does not grow with the weights, and dividing by a common divisor changes
nothing.
Source: asynq v0.26.0 `processor.queues`; the keys are those of Efraimidis and Spirakis, "Weighted random sampling" (2006).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol


class Chance(Protocol):
    """A source of chance; `random.Random` is one."""

    def random(self) -> float:
        """Return a number of [0, 1)."""


def strict_order(weights: Mapping[str, int]) -> list[str]:
    """Return the queues from high to low priority; equal ones in the order in which they were configured."""
    return sorted(weights, key=weights.__getitem__, reverse=True)


def order_for_take(weights: Mapping[str, int], *, strict: bool, rng: Chance) -> list[str]:
    """Return the queues in the order in which one take asks them.

    Args:
        weights: Queue name to priority, each at least 1.
        strict: True: always by priority. False: first in proportion to the weights, the rest likewise.
        rng: Drawn from once per queue when not strict and there is a choice.

    Returns:
        Every queue once.
    """
    if len(weights) == 1:
        return list(weights)
    if strict:
        return strict_order(weights)
    # 1 - random() lies in (0, 1], where the logarithm exists.
    arrival = {queue: -math.log(1.0 - rng.random()) / weight for queue, weight in weights.items()}
    return sorted(arrival, key=arrival.__getitem__)
