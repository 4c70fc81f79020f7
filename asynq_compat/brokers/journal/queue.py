"""In which partition of its queue does a task stand?

Contract: a queue's partitions, opened; `partition_of` is pure and the same in every release, process and language.
Not obvious: what shall exclude each other has to meet in one partition. So a task goes where its group points, else its lock, else its id.
The hash is the one with which librdkafka's partitioner `consistent` places a record of that key.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from asynq_compat.brokers.journal.following.followed import Partition


def partition_of(key: str, count: int) -> int:
    """Return the partition, of `count`, that a key points to: CRC-32 of its UTF-8 bytes, modulo the count."""
    return zlib.crc32(key.encode()) % count


class Queue:
    """One queue's journals, one for each partition."""

    def __init__(self, name: str, partitions: list[Partition]) -> None:
        self.name = name
        self.partitions = partitions
        self.is_announced = False

    def of(self, key: str) -> Partition:
        """Return the partition that a group, lock or id points to."""
        return self.partitions[partition_of(key, len(self.partitions))]

    def by_likelihood(self, task_id: str) -> Sequence[Partition]:
        """Return the partitions, the one first where a task with this id and no lock stands."""
        first = partition_of(task_id, len(self.partitions))
        return [*self.partitions[first:], *self.partitions[:first]]

    def end(self) -> None:
        """Begin to end the threads, do not wait; legal twice."""
        for partition in self.partitions:
            partition.end()

    def close(self) -> None:
        """End the threads; legal twice."""
        for partition in self.partitions:
            partition.close()
