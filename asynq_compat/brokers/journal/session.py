"""What does a server hold in one queue: a session, its credit, the tasks it was given?

Contract: owned by its intake's lock, but for `SessionTerm.is_valid`, which any thread may ask.
Not obvious: credit is mirrored in the order of the log: an own frame's change when that frame is applied, then what the entry
assigned. What is under way is added, so that nothing is offered twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import repeat
from operator import attrgetter

from asynq_compat.ports.consuming import Lease
from asynq_compat.rules.clock import Clock
from asynq_compat.wire import command
from asynq_compat.wire.command import Command, Range

# journal.md 5: 30 s after the session's last frame; a process that was stopped must notice before anybody else acts.
LEASE_S = 30.0
LEASE_MARGIN_S = 5.0
_has_started = attrgetter("has_started")


class SessionTerm:
    """Until when the leases of one session are ours: its last own frame seen in the log is young enough."""

    __slots__ = ("_monotonic_s", "is_over", "session", "valid_until_s")

    def __init__(self, clock: Clock, session: Session) -> None:
        self._monotonic_s = clock.monotonic_s
        self.session = session
        self.valid_until_s = 0.0
        self.is_over = False  # Once somebody was told so, it stays: handlers were dropped.

    def is_valid(self) -> bool:
        """Return True while nobody else can have been given the tasks."""
        if self._monotonic_s() < self.valid_until_s and not self.is_over:
            return True
        self.is_over = True
        return False


class Session:
    """One life of a server in one queue partition. A session that was lost is replaced by a new one."""

    __slots__ = (
        "_given",
        "_held",
        "_mark",
        "_ready",
        "credit",
        "credit_under_way",
        "frames_under_way",
        "is_open",
        "journal",
        "last_assigned_at_s",
        "last_made_at_s",
        "name",
        "queue",
        "ready_count",
        "ready_since_s",
        "renewed_at_s",
        "term",
    )

    def __init__(self, queue: str, journal: str, clock: Clock) -> None:
        self.queue = queue
        self.journal = journal
        self.term = SessionTerm(clock, self)
        self.name = -1
        self.is_open = False
        self.credit = 0
        self.credit_under_way = 0
        self.frames_under_way = 0
        self._held: dict[int, bytearray] = {}  # By position: one byte a task, 1 while it is given out and not settled.
        self.ready_count = 0  # assigned, not given out
        self.ready_since_s = 0.0
        self.last_made_at_s = 0.0
        self.renewed_at_s = 0.0
        self.last_assigned_at_s = 0.0
        # position, ids, messages, index of the first that is still here
        self._ready: deque[tuple[int, list[str], list[bytes], int]] = deque()
        self._given: deque[list[Lease]] = deque()  # What no frame has told as started, as it was given out.
        self._mark = (0, 0)

    @property
    def parked(self) -> int:
        """Credit that is, or will be, at the journal."""
        return self.credit + self.credit_under_way

    @property
    def needs_lease(self) -> bool:
        """There is something to keep alive: tasks, or credit that stands in the log."""
        return bool(self._held or self.ready_count or self.credit)

    @property
    def is_idle(self) -> bool:
        """Nothing to keep alive, and no frame under way that may bring something: two that offer and withdraw credit add up to none."""
        return not (self.needs_lease or self.frames_under_way)

    @property
    def has_started_more(self) -> bool:
        """Something has started that no frame has told yet."""
        return bool(self._given) and self._given[0][0].has_started

    @property
    def holds_tasks(self) -> bool:
        """Something was given out and is not settled."""
        return bool(self._held)

    @property
    def held_count(self) -> int:
        """How many tasks were given out and are not settled."""
        return sum(held.count(1) for held in self._held.values())

    def opened(self, name: int, made_at_s: float, credit: int) -> None:
        """Note that the OPEN was applied."""
        self.name, self.is_open, self.credit = name, True, credit
        self.renewed(made_at_s)

    def renewed(self, made_at_s: float) -> None:
        """Note that an own frame made at that time stands in the log."""
        self.last_made_at_s = max(self.last_made_at_s, made_at_s)
        self.renewed_at_s = max(self.renewed_at_s, made_at_s)
        self.term.valid_until_s = self.renewed_at_s + LEASE_S - LEASE_MARGIN_S

    def lost(self) -> None:
        """Note that the session has ended: nothing it held is ours."""
        self.is_open = False
        self.term.is_over = True
        self.credit = self.ready_count = 0
        self._held.clear()
        self._ready.clear()
        self._given.clear()

    def assigned(self, position: int, ids: list[str], messages: list[bytes], now_s: float) -> None:
        """Note tasks that an entry gave to this session."""
        if not self.ready_count:
            self.ready_since_s = now_s
        self.last_assigned_at_s = now_s
        self.credit = max(0, self.credit - len(ids))
        self._ready.append((position, ids, messages, 0))
        self.ready_count += len(ids)

    def give(self, count: int, now_s: float) -> list[Lease]:
        """Take up to `count` tasks out of what is ready, in order."""
        leases: list[Lease] = []
        queue, term = self.queue, self.term
        while count and self._ready:
            position, ids, messages, first = self._ready.popleft()
            last = min(first + count, len(ids))
            shared = repeat(term), repeat(position), range(first, last)
            leases += map(Lease, repeat(queue), ids[first:last], messages[first:last], *shared)
            held = self._held.get(position)
            if held is None:
                held = self._held[position] = bytearray(len(ids))
            held[first:last] = b"\x01" * (last - first)
            count -= last - first
            if last < len(ids):
                self._ready.appendleft((position, ids, messages, last))
        self.ready_count -= len(leases)
        self.ready_since_s = now_s
        if leases:
            self._given.append(leases)
        return leases

    def take_back(self, count: int) -> list[Range]:
        """Remove up to `count` ready tasks, last first, in order to hand them back; their ranges."""
        ranges: list[Range] = []
        while count and self._ready:
            position, ids, messages, first = self._ready.pop()
            low = max(first, len(ids) - count)
            ranges.append((position, low, len(ids)))
            count -= len(ids) - low
            self.ready_count -= len(ids) - low
            if low > first:
                self._ready.append((position, ids[:low], messages[:low], first))
        return ranges

    def settled(self, ranges: Iterable[Range]) -> None:
        """Note that nothing more is to be done about these."""
        for position, low, high in ranges:
            held = self._held.get(position)
            if held is not None:
                held[low:high] = bytes(high - low)
                if 1 not in held:
                    del self._held[position]

    def renewal(self, credit_delta: int = 0) -> Command:
        """Return the SESSION command that says what has started so far."""
        given = self._given
        last: Lease | None = None
        while given:
            leases = given[0]
            if not all(map(_has_started, leases)):
                count = next(count for count, lease in enumerate(leases) if not lease.has_started)
                if count:
                    last, given[0] = leases[count - 1], leases[count:]
                break
            last = given.popleft()[-1]
        if last is not None:
            self._mark = (last.position, last.index + 1)
        return command.session(self.name, self._mark[0], self._mark[1], credit_delta)
