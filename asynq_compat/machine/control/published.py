"""What do servers tell everybody about the queues that they follow?

Contract: pure. What is told is kept as it came: nothing here looks into a queue. The last word on a partition counts.
"""

from __future__ import annotations

from typing import TypeGuard

from asynq_compat.machine.step import is_int
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import ITEM_COUNT_MAX
from asynq_compat.wire.hot_record import hot_record

# More than `COUNTED` has: a later release counts more.
_NUMBER_COUNT_MAX = 256


@hot_record
class PublishedCounts:
    """What one partition of a queue looked like to the server that told it.

    Attributes:
        position, clock_ms: Its last entry that counts, and its own clock there.
        oldest_pending_since_ms: Since when the next task waits, Unix ms; None when there is none, or it is not known.
        numbers: In the order of `wire.command.COUNTED`, then what a later release has appended.
        told_ms: The control journal's clock when it was told, Unix ms.
    """

    queue: str
    partition: int
    position: int
    clock_ms: int
    is_paused: bool
    oldest_pending_since_ms: int | None
    numbers: list[int]
    told_ms: int

    def by_name(self) -> dict[str, int]:
        """Return the numbers with their names."""
        return dict(zip(c.COUNTED, self.numbers, strict=False))


def read_counts(command: c.Command, told_ms: int) -> PublishedCounts | None:
    """Return what a COUNTS command tells; None if it is malformed."""
    if len(command) != 8:
        return None
    _code, queue, partition, position, clock_ms, is_paused, since_ms, numbers = command
    if type(queue) is not str or not queue or type(is_paused) is not bool:
        return None
    if not (_is_count(partition) and is_int(position) and is_int(clock_ms)):
        return None
    if not (since_ms is None or is_int(since_ms)) or not are_numbers(numbers):
        return None
    return PublishedCounts(queue, partition, position, clock_ms, is_paused, since_ms, numbers, told_ms)


def are_numbers(item: object) -> TypeGuard[list[int]]:
    """Return whether this is what a partition is counted with."""
    return (
        type(item) is list and len(c.COUNTED) <= len(item) <= _NUMBER_COUNT_MAX and all(_is_count(one) for one in item)
    )


def _is_count(item: object) -> TypeGuard[int]:
    return is_int(item) and item >= 0


def read_workers(workers: object) -> list[tuple[str, bytes]] | None:
    """Return (task id, encoded WorkerInfo) of each of a server's workers; None when they are malformed."""
    if type(workers) is not list or len(workers) > ITEM_COUNT_MAX:
        return None
    pairs = []
    for pair in workers:
        if type(pair) is not list or len(pair) != 2:
            return None
        task_id, info = pair
        if type(task_id) is not str or type(info) is not bytes:
            return None
        pairs.append((task_id, info))
    return pairs
