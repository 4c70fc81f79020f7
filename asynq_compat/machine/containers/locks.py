"""Which task holds which uniqueness lock, and until when?

Contract: pure. A lock ends by itself at its clock; whoever asks sees none that has ended only after `expire`.
Not obvious: locks of one frame mostly end together, so that they share one heap entry. Of those freed before, the key stays behind in the
line of its end until that comes, or until more than half of all in line are such.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import repeat

_COMPACT_FROM = 64


@dataclass(slots=True, eq=False)
class Locks:
    """Uniqueness locks.

    Attributes:
        held: Key -> (id of the task that holds it, clock in ms at which it ends).
        key_of: Id -> key of the lock that the task took when it entered; "" once it has been freed while the task stays.
        ending: Clock in ms -> keys of locks that end then, or did before they were freed.
        ends_ms: The clocks of `ending`, a heap.
        ending_count: How many keys `ending` has.
    """

    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    key_of: dict[str, str] = field(default_factory=dict)
    ending: dict[int, list[str]] = field(default_factory=dict)
    ends_ms: list[int] = field(default_factory=list)
    ending_count: int = 0

    def acquire(self, keys: Sequence[str], ids: Sequence[str], expires_ms: int) -> None:
        """Let tasks take locks that nobody holds."""
        self.held.update(zip(keys, zip(ids, repeat(expires_ms)), strict=True))
        self.key_of.update(zip(ids, keys, strict=True))
        self.line_up(keys, expires_ms)
        if self.ending_count > 2 * len(self.held) + _COMPACT_FROM:
            self._compact()

    def line_up(self, keys: Iterable[str], expires_ms: int) -> None:
        """Note when held locks end."""
        line = self.ending.get(expires_ms)
        if line is None:
            line = self.ending[expires_ms] = []
            heappush(self.ends_ms, expires_ms)
        before = len(line)
        line += keys
        self.ending_count += len(line) - before

    def release(self, ids: Sequence[str]) -> None:
        """Free the locks that these tasks hold; the tasks stay."""
        key_of, held = self.key_of, self.held
        keys = list(map(key_of.get, ids)) if key_of else []
        if not any(keys):
            return
        for task_id, key in zip(ids, keys, strict=True):
            if key:
                lock = held.get(key)
                if lock is not None and lock[0] == task_id:
                    del held[key]
        freed = ids if all(keys) else [task_id for task_id, key in zip(ids, keys, strict=True) if key]
        key_of.update(dict.fromkeys(freed, ""))

    def forget(self, ids: Iterable[str], *, frees: bool) -> None:
        """Know these tasks no more; their locks are freed, or stay until they end."""
        key_of, held = self.key_of, self.held
        if not key_of or key_of.keys().isdisjoint(ids):
            return
        for task_id in ids:
            key = key_of.pop(task_id, None)
            if frees and key:
                lock = held.get(key)
                if lock is not None and lock[0] == task_id:
                    del held[key]

    def expire(self, clock_ms: int) -> None:
        """Free the locks whose time is over."""
        held, ends_ms = self.held, self.ends_ms
        while ends_ms and ends_ms[0] <= clock_ms:
            end_ms = heappop(ends_ms)
            line = self.ending.pop(end_ms)
            self.ending_count -= len(line)
            for key in line:
                lock = held.get(key)
                if lock is not None and lock[1] == end_ms:
                    del held[key]

    def first_expiry_ms(self) -> int | None:
        """Return when the next lock ends."""
        held, ends_ms = self.held, self.ends_ms
        while ends_ms:
            line = self.ending[ends_ms[0]]
            while line:
                if held.get(line[-1], ("", -1))[1] == ends_ms[0]:
                    return ends_ms[0]
                line.pop()
                self.ending_count -= 1
            del self.ending[heappop(ends_ms)]
        return None

    def _compact(self) -> None:
        """Forget what was freed."""
        self.ending, self.ends_ms, self.ending_count = {}, [], 0
        for key, (_, end_ms) in self.held.items():
            self.line_up((key,), end_ms)
