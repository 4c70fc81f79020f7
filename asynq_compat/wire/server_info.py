"""What does a running server tell about itself and its workers?

Contract: pure. Messages ServerInfo and WorkerInfo of asynq v0.26.0; instants are Unix nanoseconds here and Timestamps on the wire.
Not obvious: a Timestamp is always written; Go's zero time is year 1 (`ZERO_TIME_NS`), not the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
