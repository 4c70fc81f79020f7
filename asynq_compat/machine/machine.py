"""How does a queue follow from its journal?

Contract: pure, total, deterministic: `apply` takes every entry of one partition in order; no bytes make it raise; equal entries give
equal states. Time and chance come with the entries. One thread at a time, for questions too.
"""

from __future__ import annotations

from asynq_compat.machine.applied import (
    Applied,
    OrphanedTask,
    QueueCounts,
    SessionView,
    TaskView,
)
from asynq_compat.rules.task_state import TaskState


class Machine:
    """One partition of one queue.

    Args:
        queue: Name of the queue.
        accepts_issuer_time: Let timestamps given by clients move the clock (tests only).
    """

    def __init__(self, queue: str, *, accepts_issuer_time: bool = False) -> None:
        self.queue = queue
        self._accepts_issuer_time = accepts_issuer_time

    def apply(self, position: int, timestamp_ms: int, is_log_time: bool, data: bytes) -> Applied:  # noqa: FBT001 - hot
        """Take the next entry.

        Args:
            position: Above that of every entry before; gaps are normal.
            timestamp_ms: The entry's timestamp, Unix milliseconds.
            is_log_time: Whether the log gave the timestamp (LogAppendTime), not the writer.
            data: A frame or a bare record.
        """
        raise NotImplementedError

    @property
    def position(self) -> int:
        """Position of the last entry applied; -1 before the first."""
        raise NotImplementedError

    @property
    def genesis(self) -> tuple[bytes, int, int] | None:
        """journal_id, partition, partition_count of the genesis that counts; None before it."""
        raise NotImplementedError

    @property
    def clock_ms(self) -> int:
        """The queue's time, Unix ms; 0 before the first entry."""
        raise NotImplementedError

    @property
    def lease_clock_ms(self) -> int:
        """The lease clock, ms since the first entry, without outages."""
        raise NotImplementedError

    def next_due_ms(self) -> int | None:
        """Clock at which a tick would change something or has to keep leases moving; None while nothing is due ever."""
        raise NotImplementedError

    def unsupported_version(self) -> int | None:
        """The journal's machine version if this release does not know it: stop, "upgrade this process"."""
        raise NotImplementedError

    def writer_sequence(self, writer_id: bytes) -> int:
        """Sequence of the writer's last applied frame; 0 for a writer that is not known (any more)."""
        raise NotImplementedError

    def session(self, name: int) -> SessionView | None:
        """Return a live session; None when it has ended or never was."""
        raise NotImplementedError

    def sessions(self) -> list[SessionView]:
        """Return all live sessions, oldest first."""
        raise NotImplementedError

    def rank(self, name: int) -> int | None:
        """Return 0 for the keeper, 1 for the next, ...; None for a session that is dormant or has ended."""
        raise NotImplementedError

    def keeper(self) -> int | None:
        """Return the session whose turn it is to look after the journal."""
        raise NotImplementedError

    def orphans(self, rank: int) -> list[OrphanedTask]:
        """Return the orphans that the session of this rank should settle now: all for 0, else those older than rank x 30 s."""
        raise NotImplementedError

    def is_paused(self) -> bool:
        """Return whether the queue is paused."""
        raise NotImplementedError

    def counts(self) -> QueueCounts:
        """Return the queue's statistics."""
        raise NotImplementedError

    def history(self, day: int) -> tuple[int, int]:
        """Return (processed, failed) of a UTC day, counted in days since 1970-01-01."""
        raise NotImplementedError

    def task(self, task_id: str) -> TaskView | None:
        """Return one task."""
        raise NotImplementedError

    def list_tasks(self, state: TaskState, start: int = 0, count: int | None = None) -> list[TaskView]:
        """Return tasks in `state`, skipping `start`, at most `count`.

        Order: pending: next first; active: oldest first; scheduled, retry, archived, completed: by (due_at, id).
        """
        raise NotImplementedError

    def digest(self) -> bytes:
        """Return 32 bytes that are equal for equal states. Walks everything."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return the state in words, for logs and failing tests."""
        raise NotImplementedError
