"""How is what a queue gets spread over its partitions?

Contract: pure.
Not obvious: tasks that wait come first; what they leave is parked over all partitions, one for each at least, so that whichever fills
first is served at once. So more may be parked than there is, by one for each partition; what cannot be started is handed back.
"""

from __future__ import annotations

from collections.abc import Sequence


def spread(total: int, waiting: Sequence[int], *, first: int = 0, parks: bool = False) -> list[int]:
    """Return each partition's part of `total`.

    Args:
        total: What the queue gets.
        waiting: Tasks in each partition.
        first: Where to begin; moved on by the caller, so that each partition has its turn where there is not enough for all.
        parks: Give what is left over to those that have nothing for it yet.
    """
    if len(waiting) == 1:
        return [total if parks else min(total, waiting[0])]
    parts = [0] * len(waiting)
    if total <= 0:
        return parts
    left = min(total, sum(waiting))
    surplus = total - left
    order = [(first + step) % len(waiting) for step in range(len(waiting))]
    hungry = [number for number in order if waiting[number]]
    while left and hungry:
        share = max(1, left // len(hungry))
        for number in hungry:
            part = min(share, waiting[number] - parts[number], left)
            parts[number] += part
            left -= part
        hungry = [number for number in hungry if waiting[number] > parts[number]]
    if parks and surplus:
        each = max(1, surplus // len(parts))
        parts = [part + each for part in parts]
    return parts
