"""What does the machine answer?

Contract: plain values. `Applied` belongs to one entry; views are copies of the state at the time of the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.hot_record import hot_record

# Of one command: 0, or one code an item. For commands over ranges an item is a range: its one code, or a list with one code a task.
Outcome = int | list[int | list[int]]


class Verdict(Enum):
    """What an entry was taken for."""

    APPLIED = "applied"  # a frame, in its writer's order
    DUPLICATE = "duplicate"  # a frame that was applied before; nothing has changed
    REFUSED = "refused"  # a frame out of its writer's order, or with other bytes than the first time
    BARE = "bare"  # one task from a foreign producer; `outcomes` has its one outcome
    UNREADABLE = "unreadable"  # neither; skipped


@hot_record
class AssignedTasks:
    """Tasks that an entry gave to a session; a task's index is its place in the lists. The lists must not be changed."""

    session: int
    ids: list[str]
    messages: list[bytes]


@hot_record
class Reply:
    """What became of a frame: the outcomes of its commands."""

    writer_id: bytes
    sequence: int
    outcomes: list[Outcome]


@hot_record
class Marker:
    """A checkpoint of the state behind `position` is complete, says who wrote it.

    Attributes:
        digest: Of the checkpoint's bytes, 32 bytes.
        first_chunk: Where the checkpoint begins in the journal of checkpoints.
        trail: The writer's `trail` at the position, 16 bytes.
    """

    position: int
    digest: bytes
    first_chunk: int
    trail: bytes


@dataclass(slots=True)
class Applied:
    """What one entry has done; filled in by the machine, not changed afterwards.

    Attributes:
        position: Of the entry; the `position` of each assignment it made, the name of a session it opened.
        writer_id, sequence: Of a frame; None and 0 otherwise.
        outcomes: One a command, in order; empty unless `verdict` is APPLIED or BARE.
        assignments: Made at the end of this entry, at most one a session.
        ended: Sessions that this entry ended: their lease ran out, or they were closed.
        notes: What an operator should hear of, whole sentences.
        answer: The outcomes that this frame's writer asked for, also when it is its last frame come again; None if it did not ask.
        replies: What this frame tells the writers of others.
        marker: The marker that this frame brought and that was accepted.
    """

    position: int
    writer_id: bytes | None
    sequence: int
    verdict: Verdict
    outcomes: list[Outcome]
    assignments: list[AssignedTasks]
    ended: list[int]
    notes: list[str]
    answer: list[Outcome] | None = None
    replies: Sequence[Reply] = ()
    marker: Marker | None = None


@hot_record
class SessionView:
    """A live session.

    Attributes:
        session: Its name: the position of its OPEN.
        last_frame_ms: Lease clock at its last frame.
        expires_ms: Lease clock at which it ends without another frame.
        assigned_count: Tasks it holds, unsettled.
        rank: 0 for the keeper; None while it is dormant.
        newest_version: The newest machine version that its server knows.
    """

    session: int
    server_id: str
    writer_id: bytes
    slots: int
    credit: int
    assigned_count: int
    last_frame_ms: int
    expires_ms: int
    rank: int | None
    newest_version: int


@hot_record
class OrphanedTask:
    """A started task whose session ended; (session, position, index) names it in RECOVER commands."""

    session: int
    position: int
    index: int
    task_id: str
    message: bytes


@hot_record
class TaskView:
    """One task.

    Attributes:
        due_at: Unix seconds: scheduled, retry: when; archived, aggregating: since when; completed: until when; else None.
        pending_since_ms: Pending: since when, Unix ms; None when not known (requeued, run by hand).
        session: Active: who has it, or had it when orphaned; else None.
    """

    task_id: str
    message: bytes
    state: TaskState
    due_at: int | None = None
    pending_since_ms: int | None = None
    result: bytes | None = None
    session: int | None = None
    is_orphaned: bool = False


@hot_record
class SetView:
    """Tasks that somebody is about to make one of.

    Attributes:
        messages: Of its tasks, the first to come first.
        expires_s: Unix second, by the queue's clock, at which they return to their group.
    """

    position: int
    number: int
    group: str
    messages: list[bytes]
    expires_s: int


@hot_record
class QueueCounts:
    """Counts of a queue partition; `processed` and `failed` are of the clock's UTC day, processed includes failed.

    Attributes:
        orphaned: Of the active ones, those whose session has ended.
        unreadable: Entries that were skipped, ever, because they could not be read.
        credit, sessions: Credit of all sessions that waits for tasks, and how many sessions there are.
    """

    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    aggregating: int
    groups: int
    orphaned: int
    processed: int
    failed: int
    processed_total: int
    failed_total: int
    is_paused: bool
    unreadable: int
    oldest_pending_since_ms: int | None
    memory_usage_bytes: int
    credit: int
    sessions: int
