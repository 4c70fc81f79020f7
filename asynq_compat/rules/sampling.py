"""Which tasks of a batch stand for all of them?

Contract: pure.
"""

from __future__ import annotations

SAMPLES_MAX = 8


def sample_places(count: int) -> list[int]:
    """Return which of `count` tasks in a row stand for all of them: evenly spread, the first and the last among them."""
    if count <= SAMPLES_MAX:
        return list(range(count))
    return [at * (count - 1) // (SAMPLES_MAX - 1) for at in range(SAMPLES_MAX)]


def sample_weights(count: int, samples: int) -> list[int]:
    """Return for how many of `count` tasks each of so many samples stands; together for all."""
    return [(at + 1) * count // samples - at * count // samples for at in range(samples)]
