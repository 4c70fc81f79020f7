"""What does a running server tell about itself and its workers?

Contract: pure. Messages ServerInfo and WorkerInfo of asynq v0.26.0; instants are Unix nanoseconds here and Timestamps on the wire.
Not obvious: a Timestamp is always written; Go's zero time is year 1 (`ZERO_TIME_NS`), not the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asynq_compat.wire.codec import fields

# Go's time.Time{}: 0001-01-01T00:00:00Z.
ZERO_TIME_NS = -62_135_596_800 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """One server process; `queues` maps names to configured priorities."""

    host: str = ""
    pid: int = 0
    server_id: str = ""
    concurrency: int = 0
    queues: Mapping[str, int]
    strict_priority: bool = False
    status: str = ""
    start_time_ns: int = ZERO_TIME_NS
    active_worker_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One task being worked on."""

    host: str = ""
    pid: int = 0
    server_id: str = ""
    task_id: str = ""
    task_type: str = ""
    task_payload: bytes = b""
    queue: str = ""
    start_time_ns: int = ZERO_TIME_NS
    deadline_ns: int = ZERO_TIME_NS


def encode_server_info(info: ServerInfo) -> bytes:
    """Return the bytes of `info`, its queues in the order of their names (Go's order is random).

    Raises:
        InvalidArgumentError: A value cannot be expressed; names the field.
    """
    return b"".join(
        (
            fields.text(1, "host", info.host),
            fields.integer(2, "pid", info.pid),
            fields.text(3, "server_id", info.server_id),
            fields.integer(4, "concurrency", info.concurrency),
            *(fields.entry(5, f"queues[{queue!r:.80}]", queue, info.queues[queue]) for queue in sorted(info.queues)),
            fields.integer(6, "strict_priority", info.strict_priority),
            fields.text(7, "status", info.status),
            fields.instant(8, "start_time", info.start_time_ns),
            fields.integer(9, "active_worker_count", info.active_worker_count),
        )
    )


def decode_server_info(data: bytes) -> ServerInfo:
    """Return the server information in `data`.

    Raises:
        CorruptDataError: There is none.
    """
    from asynq_compat.wire import generated

    message = generated.parse(generated.ServerInfo, data)
    return ServerInfo(
        host=message.host,
        pid=message.pid,
        server_id=message.server_id,
        concurrency=message.concurrency,
        queues=dict(sorted(message.queues.items())),
        strict_priority=message.strict_priority,
        status=message.status,
        start_time_ns=generated.nanoseconds(message.start_time),
        active_worker_count=message.active_worker_count,
    )


def encode_worker_info(info: WorkerInfo) -> bytes:
    """Return the bytes of `info`.

    Raises:
        InvalidArgumentError: A value cannot be expressed; names the field.
    """
    return b"".join(
        (
            fields.text(1, "host", info.host),
            fields.integer(2, "pid", info.pid),
            fields.text(3, "server_id", info.server_id),
            fields.text(4, "task_id", info.task_id),
            fields.text(5, "task_type", info.task_type),
            fields.raw(6, "task_payload", info.task_payload),
            fields.text(7, "queue", info.queue),
            fields.instant(8, "start_time", info.start_time_ns),
            fields.instant(9, "deadline", info.deadline_ns),
        )
    )


def decode_worker_info(data: bytes) -> WorkerInfo:
    """Return the worker information in `data`.

    Raises:
        CorruptDataError: There is none.
    """
    from asynq_compat.wire import generated

    message = generated.parse(generated.WorkerInfo, data)
    return WorkerInfo(
        host=message.host,
        pid=message.pid,
        server_id=message.server_id,
        task_id=message.task_id,
        task_type=message.task_type,
        task_payload=message.task_payload,
        queue=message.queue,
        start_time_ns=generated.nanoseconds(message.start_time),
        deadline_ns=generated.nanoseconds(message.deadline),
    )
