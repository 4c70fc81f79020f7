"""What does a broker remember of what happened?

Contract: but for `checkpoint` and `activate` nothing is changed, and no server is needed. Only a broker that keeps a log of everything has this port. An answer reaches as far
back as the log; `cut_before` says where it begins when older entries are gone.
Not obvious: positions grow but need not be contiguous. The state at a time is what the last entry written by then left behind: what
became due since, without an entry, is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

# Called now and then with (entries read, entries there are), for who waits.
Progress = Callable[[int, int], None]
# Where in a log: a position, an instant, None for its end.
Moment = int | datetime | None


class Change(Enum):
    """What happened to a task."""

    ENQUEUED = "enqueued"
    REFUSED = "refused"  # its id was taken, or its uniqueness lock held
    DUE = "due"  # its time came: it is pending
    GIVEN = "given"  # to a server
    STARTED = "started"  # its server said so
    DONE = "done"
    COMPLETED = "completed"  # done, and kept
    RETRIED = "retried"  # failed; runs again
    ARCHIVED = "archived"
    REQUEUED = "requeued"  # next in line again, nothing counted
    RETURNED = "returned"  # not started: back to its place, nothing counted
    ORPHANED = "orphaned"  # started, and its server is gone
    RUN = "run"  # an operator made it pending
    DELETED = "deleted"
    AGGREGATED = "aggregated"  # one task stands for it and others of its group
    EXPIRED = "expired"  # its retention, or its place in the archive, ended


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One thing that happened to a task.

    Attributes:
        position, at: Of the entry that did it.
        writer: Who wrote the entry, hexadecimal; "" for a record from a foreign producer.
        server: The server that has, or had, the task: host, process and id where known; "" where none has.
        state: The task's state afterwards; "" when it is gone.
        error: What its handler, or the recoverer, said of a failure.
        due_at: When it is to run, where it waits for its time.
    """

    position: int
    at: datetime
    change: Change
    writer: str
    server: str
    state: str
    error: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One time that a task was given to a server.

    Attributes:
        number: From 1; those that came back unstarted have one too.
        started_at: When the log first said that it runs; None when it never did before it ended.
        ended_at, duration: None while it lasts; the duration is counted from when it was given.
        outcome: How it ended; None while it lasts.
    """

    number: int
    server: str
    given_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration: timedelta | None
    outcome: Change | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHistory:
    """All that a log tells of one task.

    Attributes:
        type: The task's type; "" when its message cannot be read.
        state: Its state now; "" when it is gone.
    """

    queue: str
    partition: int
    task_id: str
    type: str
    state: str
    cut_before: int | None
    events: Sequence[TaskEvent]
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """A server's membership of a queue at a position.

    Attributes:
        silent_for: Since its last frame, by the log's own clock.
    """

    name: int
    server: str
    slots: int
    credit: int
    held: int
    silent_for: timedelta
    is_keeper: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSnapshot:
    """A partition of a queue as it was at a position.

    Attributes:
        position, at: Of the last entry that counts; None for a queue without entries.
        behind: How many entries were written since.
        counts: Tasks by state, and what was processed and failed ever.
        digest: Equal for equal states, hexadecimal.
        notes: What an operator should hear of, whole sentences, oldest first; the last ones of many.
        note_count: How many there were.
    """

    queue: str
    partition: int
    partition_count: int
    position: int
    at: datetime | None
    first: int
    end: int
    behind: int
    cut_before: int | None
    journal_id: str
    version: int
    is_paused: bool
    counts: Mapping[str, int]
    sessions: Sequence[SessionSummary]
    digest: str
    notes: Sequence[str]
    note_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDifference:
    """A task whose state is not the same at two positions; "" where it is not there."""

    task_id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDifference:
    """What is different between two moments of a partition."""

    before: QueueSnapshot
    after: QueueSnapshot
    tasks: Sequence[TaskDifference]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry of a log in words.

    Attributes:
        writer: Hexadecimal; "" for what is no frame.
        sequence: Of the writer's frames, from 1; 0 for what is no frame.
        commands: What it says, one text a command.
    """

    position: int
    at: datetime
    writer: str
    sequence: int
    commands: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of reading a partition's log twice.

    Attributes:
        entries: By what they were taken for: applied, duplicate, refused, bare, unreadable.
        digests: Of the two folds, hexadecimal.
        problems: What is wrong, whole sentences; empty when nothing is. The first ones of many.
        problem_count: How many there are.
    """

    queue: str
    partition: int
    position: int
    cut_before: int | None
    entries: Mapping[str, int]
    digests: tuple[str, str]
    problems: Sequence[str]
    problem_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A partition's state, written down: whoever begins to follow the log begins there."""

    queue: str
    partition: int
    position: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPartition:
    """What one partition of a queue looked like when one of its servers told it.

    Attributes:
        position, at: Its last entry that counts, and the queue's own clock there.
        told_at, age: When it was told, and how long ago that is.
        latency: How long the task that was next had waited at `at`; zero when there was none or it is not known.
    """

    partition: int
    position: int
    at: datetime
    told_at: datetime
    age: timedelta
    is_paused: bool
    latency: timedelta
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedQueue:
    """What a queue looked like when its servers told it last.

    Attributes:
        partition_count: How many it has; `partitions` lacks those of which nobody has told.
        age: Of the oldest word on one of its partitions; None when nobody has told of any.
        latency: The longest of its partitions'.
        counts: Tasks by state, credit and sessions in sum; empty when nobody has told.
    """

    queue: str
    partition_count: int
    age: timedelta | None
    is_paused: bool
    latency: timedelta
    counts: Mapping[str, int]
    partitions: Sequence[PublishedPartition]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVersion:
    """What a server that serves a queue knows: all versions up to `newest_version`."""

    server: str
    newest_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionVersions:
    """Which rules, the *machine version*, hold in a partition of a queue, and who knows which.

    Attributes:
        active_version: The one that holds.
        known_versions: Those that this program knows.
        servers: All that serve the partition, oldest first.
    """

    queue: str
    partition: int
    active_version: int
    known_versions: Sequence[int]
    servers: Sequence[ServerVersion]


class History(Protocol):
    """What an operator asks of a broker's log. One caller at a time.

    All raise QueueNotFoundError where there is no such queue, and BrokerUnavailableError; those that ask about a `partition` raise
    InvalidArgumentError where the queue has none of that number, or several and None is given.
    """

    def queues(self) -> Sequence[PublishedQueue]:
        """Return what servers told last of each queue, by name; no queue's log is read."""

    def history(self, task_id: str, queue: str | None, progress: Progress) -> Sequence[TaskHistory]:
        """Return what happened to a task, for each partition of a queue that knows it; in `queue` alone unless None."""

    def describe(self, queue: str, partition: int | None, at: Moment, progress: Progress) -> QueueSnapshot:
        """Return a partition as it was."""

    def difference(
        self, queue: str, partition: int | None, before: Moment, after: Moment, progress: Progress
    ) -> QueueDifference:
        """Return what changed between two moments.

        Raises:
            InvalidArgumentError: `after` is not behind `before`.
        """

    def entries(self, queue: str, partition: int | None, since: Moment, *, follows: bool) -> Iterator[LogEntry]:
        """Yield a partition's entries from a moment on, None for the last few; `follows` goes on for ever."""

    def verify(self, queue: str, partition: int | None, progress: Progress) -> Verification:
        """Read a partition's log twice and say whether all is as it should be."""

    def versions(self, queue: str | None) -> Sequence[PartitionVersions]:
        """Return which machine version holds, and who knows which, for each partition of one queue or, for None, of all.

        Raises:
            NewerReleaseError: One holds that this program does not know.
        """

    def activate(self, queue: str | None, version: int) -> Sequence[PartitionVersions]:
        """Let a machine version hold from here on, in one queue or, for None, in all; no older release can read them then.

        Nothing is activated anywhere unless it can be everywhere. Where it holds already nothing is changed, so that a call that was
        interrupted can be made again.

        Raises:
            InvalidArgumentError: This program does not know the version.
            MachineVersionError: A server of a queue does not know it, a queue has no server, or a later version holds.
            NewerReleaseError: One holds that this program does not know.
        """

    def checkpoint(self, queue: str, partition: int | None) -> Checkpoint | None:
        """Write down a partition's state; None if there is none, or another's checkpoint was newer. Cuts nothing."""
