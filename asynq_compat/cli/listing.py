"""Which tasks does a list show, with which columns, and what is told of one task?

Contract: what `task ls`, `task inspect` and the live view have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from asynq_compat.cli.output import when
from asynq_compat.cli.views import ago, bytes_text, until
from asynq_compat.inspector import Inspector
from asynq_compat.task import TaskInfo

# Heading and cell of what a table has beside id, type and payload.
Column = tuple[str, Callable[[TaskInfo, datetime], str]]
_LAST_FAILED: Column = ("Last Failed", lambda info, now: ago(info.last_failed_at, now))
_LAST_ERROR: Column = ("Last Error", lambda info, _: info.last_err or "-")
COLUMNS: dict[str, tuple[Column, ...]] = {
    "pending": (),
    "active": (("", lambda info, _: "orphaned" if info.is_orphaned else ""),),
    "scheduled": (("Process In", lambda info, now: until(info.next_process_at, now)),),
    "retry": (
        ("Next Retry", lambda info, now: until(info.next_process_at, now)),
        _LAST_ERROR,
        _LAST_FAILED,
        ("Retried", lambda info, _: str(info.retried)),
        ("Max Retry", lambda info, _: str(info.max_retry)),
    ),
    "archived": (_LAST_FAILED, _LAST_ERROR),
    "aggregating": (("Group", lambda info, _: info.group),),
    "completed": (
        ("Completed At", lambda info, _: when(info.completed_at)),
        ("Result", lambda info, _: bytes_text(info.result)),
    ),
}


def listed(
    inspector: Inspector, queue: str, state: str, page: int, size: int, *, group: str | None = None
) -> Sequence[TaskInfo]:
    """Return a page of the tasks of a queue in a state, of aggregating ones those of a group; raises as the inspector does."""
    if group is not None:
        return inspector.list_aggregating_tasks(queue, group, page_size=size, page=page)
    lists = {
        "active": inspector.list_active_tasks,
        "pending": inspector.list_pending_tasks,
        "scheduled": inspector.list_scheduled_tasks,
        "retry": inspector.list_retry_tasks,
        "archived": inspector.list_archived_tasks,
        "completed": inspector.list_completed_tasks,
    }
    return lists[state](queue, page_size=size, page=page)


def described(info: TaskInfo, now: datetime) -> Sequence[tuple[str, str]]:
    """Return what there is to tell of a task, name by name."""
    lines = [
        ("Queue", info.queue),
        ("ID", info.id),
        ("Type", info.type),
        ("State", f"{info.state}{' (orphaned: its worker is gone)' if info.is_orphaned else ''}"),
        ("Retried", f"{info.retried}/{info.max_retry}"),
        ("Next process time", _next(info, now)),
        ("Payload", bytes_text(info.payload)),
        ("Headers", ", ".join(f"{name}={value}" for name, value in (info.headers or {}).items())),
        ("Group", info.group),
        ("Timeout", str(info.timeout) if info.timeout else ""),
        ("Deadline", when(info.deadline) if info.deadline else ""),
        ("Retention", str(info.retention) if info.retention else ""),
        ("Completed", when(info.completed_at) if info.completed_at else ""),
        ("Result", bytes_text(info.result) if info.result else ""),
        (
            "Last failure",
            f"{when(info.last_failed_at)} ({ago(info.last_failed_at, now)})" if info.last_failed_at else "",
        ),
        ("Last error", info.last_err),
    ]
    return [(name, text) for name, text in lines if text]


def _next(info: TaskInfo, now: datetime) -> str:
    if info.next_process_at is None:
        return "n/a"
    if str(info.state) == "pending":
        return "now"
    return f"{when(info.next_process_at)} ({until(info.next_process_at, now)})"
