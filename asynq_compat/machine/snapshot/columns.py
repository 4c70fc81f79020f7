"""How do tasks stand in sections: how many in each, and in which shape?

Contract: pure. Where a column or a section ends follows from what is saved and from `size_bytes_max` alone, not from the containers that
held it, so that equal states give equal bytes.
Not obvious: sizes are estimates from above, but for what msgpack adds to the few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from asynq_compat.machine.containers.indexes import Part, Segment

# As many tasks share a segment when they come back: the memory of a segment is free when all its tasks are gone.
COLUMN_LENGTH_MAX = 1_024
# What msgpack adds to an id and a message.
_TASK_OVERHEAD_BYTES = 16
# UTF-8 needs up to so many bytes for a character of a str.
_CHARACTER_BYTES_MAX = 4

# A row of a section, and its size from above.
Sized = tuple[list[object], int]


def size_of(texts: Sequence[str], blobs: Sequence[bytes]) -> int:
    """Return how many bytes so much text and data need at most."""
    overhead = _TASK_OVERHEAD_BYTES * max(len(texts), len(blobs))
    return _CHARACTER_BYTES_MAX * sum(map(len, texts)) + sum(map(len, blobs)) + overhead


def batches(rows: Iterable[Sized], size_bytes_max: int) -> Iterator[list[object]]:
    """Give rows in lists that stay below a size, unless one row alone does not."""
    batch: list[object] = []
    size = 0
    for row, row_size in rows:
        if batch and size + row_size > size_bytes_max:
            yield batch
            batch = []
            size = 0
        batch.append(row)
        size += row_size
    if batch:
        yield batch


@dataclass(slots=True, eq=False)
class Column:
    """Tasks whose ordinals follow one on the other.

    Attributes:
        since: (offset, clock in ms or None) flat: from which of them on they have been pending since when.
    """

    ordinal: int
    ids: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    since: list[int | None] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, segment: Segment, lo: int, hi: int, size_bytes: int) -> None:
        """Take tasks `lo` to `hi - 1` of a segment."""
        offset = len(self.ids) - lo
        self.ids += segment.ids[lo:hi]
        self.messages += segment.messages[lo:hi]
        self.size_bytes += size_bytes
        for first, since_ms in segment.since_marks(lo, hi):
            if not self.since or self.since[-1] != since_ms:
                self.since += (offset + first, since_ms)

    def row(self, *place: int) -> Sized:
        """Return the row that stands for these tasks; `place` comes first in it."""
        return [*place, self.ordinal, self.ids, self.messages, self.since], self.size_bytes


def columns(parts: Iterable[Part], size_bytes_max: int) -> Iterator[Column]:
    """Give parts of segments as columns, in the same order."""
    column = Column(0)
    for segment, lo, hi in parts:
        if segment.ordinal + lo != column.ordinal + len(column.ids):
            if column.ids:
                yield column
            column = Column(segment.ordinal + lo)
        while lo < hi:
            end = min(hi, lo + COLUMN_LENGTH_MAX - len(column.ids))
            end, size = _fitting(segment, lo, end, size_bytes_max - column.size_bytes)
            if end == lo and not column.ids:
                end, size = lo + 1, size_of(segment.ids[lo : lo + 1], segment.messages[lo : lo + 1])
            column.add(segment, lo, end, size)
            lo = end
            if lo < hi:
                yield column
                column = Column(segment.ordinal + lo)
    if column.ids:
        yield column


def _fitting(segment: Segment, lo: int, hi: int, room: int) -> tuple[int, int]:
    """Return up to where tasks from `lo` on fit, and their size."""
    size = size_of(segment.ids[lo:hi], segment.messages[lo:hi])
    if size <= room:
        return hi, size
    size = 0
    for index in range(lo, hi):
        task_size = size_of(segment.ids[index : index + 1], segment.messages[index : index + 1])
        if size + task_size > room:
            return index, size
        size += task_size
    return hi, size
