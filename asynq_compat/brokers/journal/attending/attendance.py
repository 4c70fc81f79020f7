"""Which partitions should this server follow now?

Contract: one thread at a time. Answers come from the control journal as far as its replica has come: which servers serve the queue, and what
they told of its partitions. A queue of one partition is followed by all its servers, and nobody asks.
Not obvious: only servers that say that they are active count, and this one always does, whatever is known of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from asynq_compat.brokers.journal.attending.rendezvous import followed_by, follower_count, helps, rank
from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.queue import Queue
from asynq_compat.errors import CorruptDataError
from asynq_compat.machine.control.published import PublishedCounts
from asynq_compat.wire.server_info import decode_server_info

_ACTIVE = "active"
# What was told longer ago says nothing of now: servers repeat it every 30 s.
_TOLD_S_MAX = 45.0
# A helper stays so long after it was last wanted.
_HELPS_S = 30.0


class Attendance:
    """What one server follows.

    Args:
        partitions: Gives the control journal.
        server_id: The server.
    """

    def __init__(self, partitions: Partitions, server_id: str) -> None:
        self._partitions = partitions
        self._server_id = server_id
        # By the bytes that were published: the server's id, and the queues that it serves.
        self._read: dict[bytes, tuple[str, Collection[str]]] = {}
        self._helps_until_s: dict[tuple[str, int], float] = {}

    def first_of(self, queue: Queue) -> Sequence[Partition]:
        """Return the partitions with which to begin."""
        wanted = self.wanted(queue, is_idle=False)
        return [partition for partition in queue.partitions if partition.number in wanted]

    def wanted(self, queue: Queue, *, is_idle: bool) -> set[int]:
        """Return the partitions to follow; one that `is_idle` helps where tasks wait and nobody has a free slot."""
        count = len(queue.partitions)
        if count == 1:
            return {0}
        servers = self._servers(queue.name)
        own = followed_by(self._server_id, servers, queue.name, count)
        now_s = self._partitions.clock.now_ns() / 1e9
        if is_idle and len(own) < count:
            for told in self._told(queue.name):
                if told.partition not in own and self._helps(told, servers, count, now_s):
                    self._helps_until_s[queue.name, told.partition] = now_s + _HELPS_S
        return own | {
            number
            for (name, number), until_s in self._helps_until_s.items()
            if name == queue.name and number < count and until_s > now_s
        }

    def _helps(self, told: PublishedCounts, servers: Collection[str], count: int, now_s: float) -> bool:
        numbers = told.by_name()
        if told.is_paused or numbers["credit"] or now_s - told.told_ms / 1000 > _TOLD_S_MAX:
            return False
        since_ms = told.oldest_pending_since_ms
        waited_s = 0.0 if since_ms is None else max(0.0, now_s - since_ms / 1000)
        place = rank(self._server_id, servers, told.queue, told.partition)
        return helps(place, follower_count(len(servers), count), numbers["pending"], waited_s)

    def _servers(self, queue: str) -> set[str]:
        replica = self._partitions.control.replica
        now_ms = self._partitions.clock.now_ns() // 1_000_000
        with replica.lock:
            published = [server.info for server in replica.fold.servers(now_ms)]
        self._read = {info: self._read.get(info) or _read(info) for info in published}
        return {self._server_id} | {server_id for server_id, queues in self._read.values() if queue in queues}

    def _told(self, queue: str) -> list[PublishedCounts]:
        replica = self._partitions.control.replica
        with replica.lock:
            return [told for told in replica.fold.counts() if told.queue == queue]


def _read(info: bytes) -> tuple[str, Collection[str]]:
    """Return a server's id and the queues from which it takes tasks."""
    try:
        server = decode_server_info(info)
    except CorruptDataError:
        return "", ()
    return server.server_id, server.queues if server.status == _ACTIVE else ()
