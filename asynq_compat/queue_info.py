"""What is known about a queue at one moment?

Contract: a value. Durations are `timedelta`, instants `datetime` in UTC.
Source: asynq v0.26.0 `QueueInfo`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asynq_compat.ports.inspecting import QueueStats

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """One queue at an instant.

    Attributes:
        memory_usage: Approximate bytes its tasks take, sampled.
        latency: How long the task that is next has waited; zero when there is none or it is not known.
        size: Tasks in all states together.
        groups: Number of groups with tasks waiting.
        processed, failed: Of the current UTC day; processed includes failed.
        timestamp: When this was read.
        unreadable: Entries of its journal that were skipped, ever, because they could not be read (docs/journal.md, "Bare records"); 0 on
            Redis.
    """

    queue: str
    memory_usage: int
    latency: timedelta
    size: int
    groups: int
    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    aggregating: int
    processed: int
    failed: int
    processed_total: int
    failed_total: int
    paused: bool
    timestamp: datetime
    unreadable: int = 0


def queue_info(stats: QueueStats) -> QueueInfo:
    """Return a broker's counts as users see them."""
    return QueueInfo(
        queue=stats.queue,
        memory_usage=stats.memory_usage_bytes,
        latency=timedelta(microseconds=stats.latency_ns // 1_000),
        size=stats.pending
        + stats.active
        + stats.scheduled
        + stats.retry
        + stats.archived
        + stats.completed
        + stats.aggregating,
        groups=stats.groups,
        pending=stats.pending,
        active=stats.active,
        scheduled=stats.scheduled,
        retry=stats.retry,
        archived=stats.archived,
        completed=stats.completed,
        aggregating=stats.aggregating,
        processed=stats.processed,
        failed=stats.failed,
        processed_total=stats.processed_total,
        failed_total=stats.failed_total,
        paused=stats.is_paused,
        timestamp=_EPOCH + timedelta(microseconds=stats.timestamp_ns // 1_000),
        unreadable=stats.unreadable,
    )
