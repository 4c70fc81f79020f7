"""What does a queue's machine remember?

Contract: pure data and the few steps that every transition shares. `tasks[id]` points to the container that holds the task: a `Segment`
while it is pending, an `Assignment` while it is active, a `Shelf` once it is completed, a `GroupedTask` while it is to become one with
others, a `TimedTask` otherwise.
Not obvious: what few tasks have (a result, returns) stands in `extras`, so that the many cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asynq_compat.machine.clocks import Clocks
from asynq_compat.machine.containers.counters import Counters
from asynq_compat.machine.containers.groups import GroupedTask, Groups
from asynq_compat.machine.containers.indexes import DueIndex, Part, PendingQueue, Segment, TimedTask
from asynq_compat.machine.containers.kept import KeptTasks, Shelf
from asynq_compat.machine.containers.locks import Locks
from asynq_compat.machine.markers import Markers
from asynq_compat.machine.writer import Writers
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.command import TRAIL_BYTES

LEASE_MS = 30_000
DORMANT_LEASE_MS = 12 * 60_000


@dataclass(slots=True, eq=False)
class Assignment:
    """Tasks given to a session at a position.

    Attributes:
        parts: Where they stood in line, in the same order.
        live: One byte a task: 1 while it is active under this assignment.
        live_count: How many are.
        orphaned_ms: Lease clock at which its session ended and left it; None before.
    """

    session: int
    position: int
    ids: list[str]
    messages: list[bytes]
    parts: list[Part]
    live: bytearray
    live_count: int
    orphaned_ms: int | None = None

    def index_of(self, task_id: str) -> int:
        """Return the index of a task."""
        return self.ids.index(task_id)

    def spans(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return the stretches of `lo` to `hi - 1` that are live."""
        live = self.live
        if lo >= hi:
            return []
        if live.count(1, lo, hi) == hi - lo:
            return [(lo, hi)]
        found = []
        while (start := live.find(1, lo, hi)) >= 0:
            end = live.find(0, start, hi)
            lo = hi if end < 0 else end
            found.append((start, lo))
        return found

    def places(self, lo: int, hi: int) -> list[Part]:
        """Return where the tasks `lo` to `hi - 1` stood in line."""
        found = []
        offset = 0
        for segment, first, last in self.parts:
            end = offset + last - first
            if offset < hi and lo < end:
                found.append((segment, first + max(lo - offset, 0), first + min(hi, end) - offset))
            offset = end
        return found


@dataclass(slots=True, eq=False)
class Session:
    """A server's membership.

    Attributes:
        credit: How many more tasks it takes.
        last_frame_ms: Lease clock at its last frame.
        owes_since_ms: Lease clock at the first assignment after its last frame; None when it owes nothing.
        mark: (position, index): what has started, see SESSION.
        assignments: By position, those with live tasks.
    """

    name: int
    server_id: str
    writer_id: bytes
    slots: int
    newest_version: int
    credit: int
    last_frame_ms: int
    owes_since_ms: int | None = None
    mark: tuple[int, int] = (0, 0)
    assignments: dict[int, Assignment] = field(default_factory=dict)

    def is_dormant(self) -> bool:
        """Return whether it has neither credit nor tasks."""
        return not self.credit and not self.assignments

    def expires_ms(self) -> int:
        """Return the lease clock at which it ends without another frame."""
        return self.last_frame_ms + (DORMANT_LEASE_MS if self.is_dormant() else LEASE_MS)


@dataclass(slots=True, eq=False)
class Extra:
    """What few tasks have: a result, how often an expiry returned them unstarted."""

    result: bytes | None = None
    return_count: int = 0


@dataclass(slots=True, eq=False)
class Skipped:
    """How many entries were no frame and became no task: not to be read, with an id that is taken, with a lock that is held."""

    unreadable: int = 0
    id_taken: int = 0
    duplicate: int = 0


Container = Segment | Assignment | Shelf | TimedTask | GroupedTask


@dataclass(slots=True, eq=False)
class State:
    """Everything that follows from a queue's journal.

    Attributes:
        sessions: Live ones by name, oldest first.
        sessions_due_ms: No session ends before the lease clock has come to this.
        orphans: Assignments left by sessions that ended, by (session, position), in the order in which they were left.
        trail: See `markers`.
        last_served: The session that got the last task given out alone; the round goes on behind it.
    """

    position: int = -1
    genesis: tuple[bytes, int, int] | None = None
    version: int = 1
    clocks: Clocks = field(default_factory=Clocks)
    writers: Writers = field(default_factory=Writers)
    counters: Counters = field(default_factory=Counters)
    tasks: dict[str, Container] = field(default_factory=dict)
    extras: dict[str, Extra] = field(default_factory=dict)
    locks: Locks = field(default_factory=Locks)
    pending: PendingQueue = field(default_factory=PendingQueue)
    timed: dict[TaskState, DueIndex] = field(
        default_factory=lambda: {
            TaskState.SCHEDULED: DueIndex(),
            TaskState.RETRY: DueIndex(),
            TaskState.ARCHIVED: DueIndex(),
        }
    )
    kept: KeptTasks = field(default_factory=KeptTasks)
    groups: Groups = field(default_factory=Groups)
    sessions: dict[int, Session] = field(default_factory=dict)
    sessions_due_ms: int = DORMANT_LEASE_MS
    orphans: dict[tuple[int, int], Assignment] = field(default_factory=dict)
    active_count: int = 0
    is_paused: bool = False
    last_served: int = -1
    skipped: Skipped = field(default_factory=Skipped)
    trail: bytes = bytes(TRAIL_BYTES)
    markers: Markers = field(default_factory=Markers)

    def clock_s(self) -> int:
        """Return the queue's time in Unix seconds."""
        return self.clocks.clock_ms // 1000

    def make_pending(self, ids: list[str], messages: list[bytes], since_ms: int | None) -> None:
        """Put tasks at the end of the line."""
        self.tasks.update(dict.fromkeys(ids, self.pending.append(ids, messages, since_ms)))

    def make_timed(self, state: TaskState, task_id: str, message: bytes, score: int) -> None:
        """Let a task wait for a second, in place of whatever held it."""
        task = TimedTask(state, task_id, message, score)
        self.tasks[task_id] = task
        self.timed[state].add(task)

    def make_grouped(self, task_id: str, message: bytes, group: str) -> None:
        """Let a task wait in its group from now on, in place of whatever held it."""
        task = GroupedTask(task_id, message, group, self.clock_s())
        self.tasks[task_id] = task
        self.groups.add(task)
        self.groups.name_of[task_id] = group

    def keep(self, ids: list[str], messages: list[bytes], retention_s: int) -> None:
        """Keep tasks that have ended well, in place of whatever held them."""
        now_s = self.clock_s()
        shelf = self.kept.shelf(now_s + retention_s, now_s)
        self.kept.add(shelf, ids, messages)
        self.tasks.update(dict.fromkeys(ids, shelf))

    def release(self, assignment: Assignment, lo: int, hi: int) -> None:
        """Take live tasks `lo` to `hi - 1` out of an assignment; they go elsewhere."""
        size = hi - lo
        assignment.live[lo:hi] = bytes(size)
        assignment.live_count -= size
        self.active_count -= size
        if not assignment.live_count:
            session = self.sessions.get(assignment.session)
            if assignment.orphaned_ms is None and session is not None:
                del session.assignments[assignment.position]
            else:
                del self.orphans[assignment.session, assignment.position]

    def forget(self, ids: Sequence[str], *, frees_locks: bool) -> None:
        """Delete tasks that no container holds any more."""
        tasks = self.tasks
        for task_id in ids:
            del tasks[task_id]
        self.locks.forget(ids, frees=frees_locks)
        if self.extras and not self.extras.keys().isdisjoint(ids):
            for task_id in ids:
                self.extras.pop(task_id, None)
        if self.groups.name_of:
            self.groups.forget(ids)

    def extra_of(self, task_id: str) -> Extra:
        """Return the extra of a task, made if there is none."""
        extra = self.extras.get(task_id)
        if extra is None:
            extra = self.extras[task_id] = Extra()
        return extra
