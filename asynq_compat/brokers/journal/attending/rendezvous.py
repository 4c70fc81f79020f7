"""Which partitions of a queue does a server follow?

Contract: pure, and the same for everybody who knows the same servers. Rendezvous hashing: each server has a number for each partition, those
with the highest follow it. So who joins or leaves changes what concerns itself, and hardly anything else.
Not obvious: chance leaves some servers with no partition at all; so a server also follows the one for which its number is its highest.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from hashlib import blake2b

# So that a partition has a follower when one dies.
FOLLOWER_COUNT_MIN = 2


def follower_count(server_count: int, partition_count: int) -> int:
    """Return how many servers follow a partition by their rank."""
    return min(server_count, max(FOLLOWER_COUNT_MIN, -(-server_count // partition_count)))


def rank(server: str, servers: Collection[str], queue: str, partition: int) -> int:
    """Return the place of a server among all, itself included, for one partition: 0 is the first to follow it."""
    own = _number(server, queue, partition)
    return sum(_number(one, queue, partition) > own for one in servers if one != server)


def followed_by(server: str, servers: Collection[str], queue: str, partition_count: int) -> set[int]:
    """Return the partitions that a server follows while these servers, itself included, live."""
    if partition_count == 1 or len(servers) <= FOLLOWER_COUNT_MIN:
        return set(range(partition_count))
    count = follower_count(len(servers), partition_count)
    favourite = max(range(partition_count), key=lambda number: _number(server, queue, number))
    chosen = {number for number in range(partition_count) if rank(server, servers, queue, number) < count}
    return chosen | {favourite}


def helps(place: int, count: int, pending: int, waited_s: float) -> bool:
    """Return whether an idle server joins a partition whose followers have no free slot.

    As many do as tasks are pending, by their rank, and one more for every second that the next task has waited: who was asked first may
    be busy, too, or gone.

    Args:
        place: Its rank.
        count: How many follow by their rank.
        pending: Tasks that wait.
        waited_s: For how long the next one has.
    """
    return pending > 0 and place - count < pending + int(waited_s)


@lru_cache(maxsize=16_384)
def _number(server: str, queue: str, partition: int) -> tuple[bytes, str]:
    return blake2b(f"{partition} {queue} {server}".encode(), digest_size=8).digest(), server
