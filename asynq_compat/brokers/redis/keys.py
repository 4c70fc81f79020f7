"""Under which keys does Asynq keep a queue?

Contract: pure. Bytes, since queue names, task ids and groups go to Redis as UTF-8 and are not escaped.
Not obvious: the braces make all keys of a queue share one slot of a cluster.
Source: docs/semantics.md, "Redis keys".
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

QUEUES = b"asynq:queues"
SERVERS = b"asynq:servers"
WORKERS = b"asynq:workers"
SCHEDULERS = b"asynq:schedulers"
CANCEL_CHANNEL = b"asynq:cancel"
SEMAPHORE_PREFIX = b"asynq:sema:"


class QueueKeys:
    """The keys of one queue."""

    __slots__ = (
        "active",
        "aggregation_sets",
        "archived",
        "completed",
        "failed",
        "group_prefix",
        "groups",
        "lease",
        "name",
        "paused",
        "pending",
        "prefix",
        "processed",
        "retry",
        "scheduled",
        "task_prefix",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        prefix = self.prefix = b"asynq:{%b}:" % name.encode()
        self.task_prefix = prefix + b"t:"
        self.group_prefix = prefix + b"g:"
        self.pending = prefix + b"pending"
        self.active = prefix + b"active"
        self.lease = prefix + b"lease"
        self.scheduled = prefix + b"scheduled"
        self.retry = prefix + b"retry"
        self.archived = prefix + b"archived"
        self.completed = prefix + b"completed"
        self.paused = prefix + b"paused"
        self.groups = prefix + b"groups"
        self.aggregation_sets = prefix + b"aggregation_sets"
        self.processed = prefix + b"processed"
        self.failed = prefix + b"failed"

    def task(self, task_id: str) -> bytes:
        """Return the key of one task's hash."""
        return self.task_prefix + task_id.encode()

    def fired(self, entry: str) -> bytes:
        """Return the key of the last firings of an elected scheduler's entry. Ours alone: Go neither reads nor writes it."""
        return self.prefix + b"fired:" + entry.encode()

    def group(self, name: str) -> bytes:
        """Return the key of one group."""
        return self.group_prefix + name.encode()

    def processed_on(self, now_s: int) -> bytes:
        """Return the counter of the UTC day that `now_s` lies in."""
        return self.processed + b":" + utc_day(now_s // 86_400)

    def failed_on(self, now_s: int) -> bytes:
        """Return the counter of failures of the UTC day that `now_s` lies in."""
        return self.failed + b":" + utc_day(now_s // 86_400)


@lru_cache(maxsize=4096)
def queue_keys(name: str) -> QueueKeys:
    """Return the keys of the queue `name`; the same object for the same name."""
    return QueueKeys(name)


@lru_cache(maxsize=16)
def utc_day(days: int) -> bytes:
    """Return the date that many days after the epoch as yyyy-mm-dd."""
    return datetime.fromtimestamp(days * 86_400, UTC).strftime("%Y-%m-%d").encode()


def server_key(host: str, pid: int, server_id: str) -> bytes:
    """Return the key of a server's ServerInfo."""
    return f"asynq:servers:{{{host}:{pid}:{server_id}}}".encode()


def workers_key(host: str, pid: int, server_id: str) -> bytes:
    """Return the key of a server's running tasks."""
    return f"asynq:workers:{{{host}:{pid}:{server_id}}}".encode()


def scheduler_key(scheduler_id: str) -> bytes:
    """Return the key of a scheduler's entries."""
    return f"asynq:schedulers:{{{scheduler_id}}}".encode()


def history_key(entry_id: str) -> bytes:
    """Return the key of what a periodic task enqueued."""
    return f"asynq:scheduler_history:{entry_id}".encode()
