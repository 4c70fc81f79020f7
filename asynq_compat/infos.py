"""What is an operator told beside tasks and queues?

Contract: frozen values. Instants are aware datetimes in UTC; None means never.
Source: asynq v0.26.0 `DailyStats`, `ServerInfo`, `WorkerInfo`, `ClusterNode`, `SchedulerEntry`, `SchedulerEnqueueEvent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from asynq_compat.options import Option
from asynq_compat.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInfo:
    """A group in which tasks wait, and how many."""

    group: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyStats:
    """What was settled in a queue on one UTC day; `processed` includes `failed`. `date` is an instant of that day."""

    queue: str
    processed: int
    failed: int
    date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One task that a server works on.

    Attributes:
        started: When this attempt began.
        deadline: When it has to end.
    """

    task_id: str
    task_type: str
    task_payload: bytes
    queue: str
    started: datetime | None
    deadline: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """One server that lives.

    Attributes:
        id: Made anew for each server object.
        concurrency: How many tasks it works on at once.
        queues: Its queues and their priorities, as configured.
        status: "active", "stopped", ...
        active_workers: What it works on.
    """

    id: str
    host: str
    pid: int
    concurrency: int
    queues: Mapping[str, int]
    strict_priority: bool
    started: datetime | None
    status: str
    active_workers: tuple[WorkerInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """One node of a Redis cluster; `addr` is host:port."""

    id: str
    addr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEntry:
    """One periodic task of a scheduler that lives.

    Attributes:
        spec: Such as "@every 1h".
        task: Type and payload; what else a task has is not published.
        opts: The options that it is enqueued with.
        next, prev: When it fires next, and fired last.
    """

    id: str
    spec: str
    task: Task
    opts: tuple[Option, ...]
    next: datetime | None
    prev: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEnqueueEvent:
    """One enqueueing of a periodic task."""

    task_id: str
    enqueued_at: datetime
