"""Which periodic tasks are due, and when is the next one?

Contract: thread-safe; it is told what time it is. An entry that is due is handed out once, its next instant is counted from now: what was
missed while nobody looked is not made up for, as in Go. An agenda that `makes_up` hands out the missed instants of the last half hour,
the last 100 of an entry at most: somebody else may have fired them, which is not its affair.
Not obvious: a wall clock that is set back makes nothing fire twice and may leave an entry waiting, for three hours at most; beyond that,
and for an entry that fires every so often, the next instant is counted anew. In Go it waits until the clock has come there again.
Source: robfig/cron v3.0.1 `Cron.run`.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from asynq_compat.options import Option
from asynq_compat.ports.scheduling import FIRING_LATE_S_MAX
from asynq_compat.rules.cron.schedule import Every, Schedule
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.task import Task

_MADE_UP_MAX = 100
_SET_BACK_NS = 3 * 3_600 * NS_PER_S


@dataclass(slots=True, eq=False)
class Entry:
    """One periodic task. Its two instants, Unix nanoseconds, are owned by the lock of its agenda; None: never."""

    id: str
    spec: str
    task: Task
    options: tuple[Option, ...]
    schedule: Schedule
    queue: str = "default"
    next_ns: int | None = None
    prev_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """An entry that is to fire, its instant, and the one behind it (None: never), Unix nanoseconds."""

    entry: Entry
    instant_ns: int
    next_ns: int | None


class Agenda:
    """The periodic tasks of one scheduler."""

    def __init__(self, *, makes_up: bool = False) -> None:
        self._makes_up = makes_up
        self._lock = threading.Lock()  # Guards all below.
        self._entries: dict[str, Entry] = {}
        self._now_ns: int | None = None  # When it was last asked; None before it runs.

    def add(self, entry: Entry, now_ns: int) -> None:
        """Take an entry in; its instants are counted from now, or from when the agenda begins."""
        with self._lock:
            self._entries[entry.id] = entry
            if self._now_ns is not None:
                entry.next_ns = entry.schedule.next(now_ns)

    def remove(self, entry_id: str) -> bool:
        """Drop an entry; return whether there was one."""
        with self._lock:
            return self._entries.pop(entry_id, None) is not None

    def begin(self, now_ns: int) -> None:
        """Count all instants from now."""
        with self._lock:
            self._now_ns = now_ns
            for entry in self._entries.values():
                entry.next_ns = entry.schedule.next(now_ns)

    def take_due(self, now_ns: int) -> list[Due]:
        """Return what is due at `now_ns`, the first instant first, and go on to the next instants."""
        with self._lock:
            set_back_ns = max(0, (self._now_ns or now_ns) - now_ns)
            self._now_ns = now_ns
            due: list[Due] = []
            for entry in self._entries.values():
                if set_back_ns:
                    self._look_again(entry, now_ns, set_back_ns)
                if entry.next_ns is not None and entry.next_ns <= now_ns:
                    due += self._missed(entry, now_ns) if self._makes_up else [self._fired(entry, now_ns)]
        return sorted(due, key=lambda one: one.instant_ns)

    def next_ns(self) -> int | None:
        """Return the next instant of all; None: never."""
        with self._lock:
            return min((entry.next_ns for entry in self._entries.values() if entry.next_ns is not None), default=None)

    def entries(self) -> list[tuple[Entry, int | None, int | None]]:
        """Return the entries with their next and previous instants, the next to fire first, those that never fire last."""
        with self._lock:
            found = [(entry, entry.next_ns, entry.prev_ns) for entry in self._entries.values()]
        return sorted(found, key=lambda one: (one[1] is None, one[1] or 0))

    def _fired(self, entry: Entry, now_ns: int) -> Due:
        instant_ns = entry.prev_ns = entry.next_ns
        assert instant_ns is not None
        entry.next_ns = entry.schedule.next(now_ns)
        return Due(entry, instant_ns, entry.next_ns)

    def _missed(self, entry: Entry, now_ns: int) -> list[Due]:
        """Return the instants up to now that can still be made, and go on behind them."""
        earliest_ns = now_ns - FIRING_LATE_S_MAX * NS_PER_S
        at_ns = entry.next_ns
        if at_ns is not None and at_ns < earliest_ns:
            at_ns = entry.schedule.next(earliest_ns)
        found: deque[Due] = deque(maxlen=_MADE_UP_MAX)
        while at_ns is not None and at_ns <= now_ns:
            next_ns = entry.schedule.next(at_ns)
            found.append(Due(entry, at_ns, next_ns))
            entry.prev_ns, at_ns = at_ns, next_ns
        entry.next_ns = at_ns
        return list(found)

    def _look_again(self, entry: Entry, now_ns: int, set_back_ns: int) -> None:
        if isinstance(entry.schedule, Every) or set_back_ns > _SET_BACK_NS:
            entry.next_ns = entry.schedule.next(now_ns)
