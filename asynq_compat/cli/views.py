"""How do queues, tasks and payloads look in JSON and to people?

Contract: pure but for the clock of who asks. The keys of the JSON objects are documented (docs/operations.md, "JSON") and only ever added to.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta

from asynq_compat.ports.inspecting import QueueInfo
from asynq_compat.rules.go_text import go_duration
from asynq_compat.rules.limits import is_blank
from asynq_compat.task import TaskInfo

STATES = ("active", "pending", "aggregating", "scheduled", "retry", "archived", "completed")
_SHOWN_CHARACTERS_MAX = 200


def queue_json(info: QueueInfo) -> dict[str, object]:
    """Return a queue's counts as a JSON object."""
    return {"queue": info.queue, "size": info.size, **{name: getattr(info, name) for name in _QUEUE_FIELDS}}


_QUEUE_FIELDS = (
    *("paused", "groups", *STATES, "processed", "failed", "processed_total", "failed_total"),
    *("latency", "memory_usage", "unreadable", "timestamp"),
)


def task_json(info: TaskInfo) -> dict[str, object]:
    """Return a task as a JSON object; what is no text in UTF-8 is null there, and in base64 beside it in any case."""
    return {
        "id": info.id,
        "queue": info.queue,
        "type": info.type,
        "state": str(info.state),
        **bytes_json("payload", info.payload),
        "headers": dict(info.headers or {}),
        **{name: getattr(info, name) for name in _TASK_FIELDS},
        **bytes_json("result", info.result),
    }


_TASK_FIELDS = (
    *("max_retry", "retried", "last_err", "last_failed_at", "timeout", "deadline", "group"),
    *("next_process_at", "is_orphaned", "retention", "completed_at"),
)


def bytes_json(name: str, data: bytes | None) -> Mapping[str, str | None]:
    """Return the two items of a JSON object for bytes: as text where they are one, and in base64."""
    return {name: _text_of(data or b""), f"{name}_base64": base64.b64encode(data or b"").decode()}


def _text_of(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def bytes_text(data: bytes | None) -> str:
    """Return bytes for people, cut where they are long; "-" for none."""
    if not data:
        return "-"
    text = _text_of(data)
    if text is None or is_blank(text) or not text.isprintable():
        return f"non-printable bytes ({len(data)})"
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"


def error_rate(processed: int, failed: int) -> str:
    """Return which part of what was processed failed."""
    return f"{failed / processed:.2%}" if processed else "N/A"


def whole_seconds(duration: timedelta) -> str:
    """Return a duration as Go prints it, without fractions."""
    return go_duration(round(duration.total_seconds()) * 1_000_000_000)


def until(instant: datetime | None, now: datetime) -> str:
    """Return how long it is until an instant: ``in 5s``; "-" where there is none."""
    if instant is None:
        return "-"
    left = instant - now
    return f"in {whole_seconds(left)}" if left > timedelta(seconds=0.5) else "right now"


def ago(instant: datetime | None, now: datetime) -> str:
    """Return how long ago an instant was: ``5s ago``; "-" where there is none."""
    return "-" if instant is None else f"{whole_seconds(max(now - instant, timedelta()))} ago"


def size_text(size_bytes: int) -> str:
    """Return a number of bytes for people."""
    size = float(size_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
