"""What does the control machine remember, and what does it answer to an entry?

Contract: plain values, changed by the fold alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asynq_compat.machine.applied import Marker, Outcome, Verdict
from asynq_compat.machine.clocks import Clocks
from asynq_compat.machine.control.published import PublishedCounts
from asynq_compat.machine.control.scheduling import Scheduling
from asynq_compat.machine.control.tokens import Tokens
from asynq_compat.machine.markers import Markers
from asynq_compat.machine.writer import Writers
from asynq_compat.wire import command as c
from asynq_compat.wire.hot_record import hot_record


@hot_record
class PublishedServer:
    """What a server told about itself: encoded ServerInfo, and (task id, encoded WorkerInfo) of its workers."""

    key: str
    info: bytes
    workers: list[tuple[str, bytes]]
    expires_ms: int


@dataclass(slots=True)
class ControlApplied:
    """What one entry of the control journal has done.

    Attributes:
        cancelled: Ids of tasks that whoever runs them is asked to stop.
        marker: The marker that this entry brought and that was accepted.
    """

    position: int
    writer_id: bytes | None = None
    sequence: int = 0
    verdict: Verdict = Verdict.UNREADABLE
    outcomes: list[Outcome] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    marker: Marker | None = None


@dataclass(slots=True, eq=False)
class ControlState:
    """Everything that follows from the control journal."""

    position: int = -1
    clocks: Clocks = field(default_factory=Clocks)
    writers: Writers = field(default_factory=Writers)
    queues: dict[str, int] = field(default_factory=dict)
    servers: dict[str, PublishedServer] = field(default_factory=dict)
    counts: dict[tuple[str, int], PublishedCounts] = field(default_factory=dict)
    scheduling: Scheduling = field(default_factory=Scheduling)
    tokens: Tokens = field(default_factory=Tokens)
    trail: bytes = bytes(c.TRAIL_BYTES)
    markers: Markers = field(default_factory=Markers)
