"""What stands in a simulated log?

Contract: entries in the order of their positions, which may have gaps; what was cut is remembered for the observer alone. A log may go
back: its end is lost, or all of it, and other entries take those positions.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from random import Random

Entry = tuple[int, int, bool, bytes]


@dataclass
class Log:
    """One log.

    Attributes:
        entries: All that were ever written and not lost, also those that were cut.
        seen_ms: When each was written, in true time.
        first: Below this position all was cut.
    """

    entries: list[Entry] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    first: int = 0

    @property
    def end(self) -> int:
        """The last position, -1 if there is none."""
        return self.positions[-1] if self.positions else self.first - 1

    def add(self, timestamp_ms: int, data: bytes, rng: Random) -> int:
        """Store an entry; return its position."""
        position = self.end + rng.choice([1, 1, 1, 2])
        self.entries.append((position, timestamp_ms, True, data))
        self.positions.append(position)
        return position

    def behind(self, after: int) -> list[Entry]:
        """Return the entries behind a position that were not cut."""
        return self.entries[bisect_right(self.positions, max(after, self.first - 1)) :]

    def cut(self, before: int) -> None:
        """Let what stands below a position go."""
        self.first = max(self.first, min(before, self.end + 1))

    def go_back(self, count: int) -> None:
        """Lose the last entries."""
        left = max(len(self.entries) - count, 0)
        del self.entries[left:], self.positions[left:]
        self.first = min(self.first, self.end + 1) if left else 0
