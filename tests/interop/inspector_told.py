"""What does our inspector tell, in the words in which the oracle repeats Go's?

Contract: pure. Each function takes what an `Inspector` gave and returns what `inspector.*` of the oracle would have given.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import asynq_compat as asynq

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO_TIME = [-62_135_596_800, 0]


def task(info: asynq.TaskInfo) -> dict[str, Any]:
    """A task."""
    return {
        "id": info.id,
        "queue": info.queue,
        "type": info.type,
        "payload": _bytes(info.payload),
        "headers": dict(info.headers) if info.headers else None,
        "state": str(info.state),
        "max_retry": info.max_retry,
        "retried": info.retried,
        "last_err": info.last_err,
        "last_failed_at": _second(info.last_failed_at),
        "timeout_ns": _nanoseconds(info.timeout),
        "deadline": _second(info.deadline),
        "group": info.group,
        "next_process_at": _instant(info.next_process_at),
        "is_orphaned": info.is_orphaned,
        "retention_ns": _nanoseconds(info.retention),
        "completed_at": _second(info.completed_at),
        "result": _bytes(info.result),
    }


def go_task(told: dict[str, Any]) -> dict[str, Any]:
    """A task as the oracle told it: Go's nil and empty are one, and when it is next processed is a whole second (a pending one: now)."""
    next_process_at = told["next_process_at"]
    return told | {
        "payload": told["payload"] or None,
        "headers": told["headers"] or None,
        "result": told["result"] or None,
        "next_process_at": next_process_at and [next_process_at[0], 0],
    }


def queue(info: asynq.QueueInfo) -> dict[str, Any]:
    """A queue's counts."""
    names = (
        *("queue", "memory_usage", "paused", "size", "groups", "pending", "active", "scheduled", "retry", "archived"),
        *("completed", "aggregating", "processed", "failed", "processed_total", "failed_total"),
    )
    return {name: getattr(info, name) for name in names}


def server(info: asynq.ServerInfo) -> dict[str, Any]:
    """A server and what it works on."""
    return {
        "id": info.id,
        "host": info.host,
        "pid": info.pid,
        "concurrency": info.concurrency,
        "queues": dict(info.queues),
        "strict_priority": info.strict_priority,
        "start_time": _instant(info.started) or _ZERO_TIME,
        "status": info.status,
        "active_workers": sorted((_worker(worker) for worker in info.active_workers), key=lambda one: one["task_id"]),
    }


def go_server(told: dict[str, Any]) -> dict[str, Any]:
    """A server as the oracle told it, its workers in the order of their tasks."""
    workers = [one | {name: _micro(one[name]) for name in ("start_time", "deadline")} for one in told["active_workers"]]
    return told | {
        "start_time": _micro(told["start_time"]),
        "active_workers": sorted(workers, key=lambda one: one["task_id"]),
    }


def day(stats: asynq.DailyStats) -> dict[str, Any]:
    """A day's counts."""
    return {
        "queue": stats.queue,
        "day": f"{stats.date:%Y-%m-%d}",
        "date": _instant(stats.date),
        "processed": stats.processed,
        "failed": stats.failed,
    }


def go_day(told: dict[str, Any]) -> dict[str, Any]:
    """A day's counts as the oracle told them."""
    return told | {"date": _micro(told["date"])}


def _worker(worker: asynq.WorkerInfo) -> dict[str, Any]:
    return {
        "task_id": worker.task_id,
        "task_type": worker.task_type,
        "task_payload": _bytes(worker.task_payload),
        "queue": worker.queue,
        "start_time": _instant(worker.started) or _ZERO_TIME,
        "deadline": _instant(worker.deadline) or _ZERO_TIME,
    }


def _micro(instant: list[int]) -> list[int]:
    return [instant[0], instant[1] // 1_000 * 1_000]


def _bytes(value: bytes | None) -> str | None:
    return base64.b64encode(value).decode() if value else None


def _instant(at: datetime | None) -> list[int] | None:
    if at is None:
        return None
    since = at - _EPOCH
    return [since // timedelta(seconds=1), since % timedelta(seconds=1) // timedelta(microseconds=1) * 1_000]


def _second(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(seconds=1)


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1_000
