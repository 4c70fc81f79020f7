"""How long has a journal become since its last checkpoint, and what of it must stay?

Contract: pure; owned by the replica's thread, `size_bytes` and `stays_from` may be asked by any. Bytes are those of the entries read.
Not obvious: of what came before the first entry read here nothing is known but that it is older, so a replica that has just begun lets
nothing be cut for a while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from asynq_compat.journals.journal import Entry

# What an entry costs besides its data, wherever it stands.
ENTRY_BYTES = 32
_SAMPLE_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """When checkpoints are due and what stays before them.

    Attributes:
        tail_bytes_min: No checkpoint before the tail is longer than this; nor before it is longer than the last checkpoint.
        stays_s, stays_bytes: Of the newest entries so many seconds or bytes stay, whichever is less.
        inline_bytes_max: A larger state is written by a process of its own, where the journals can be reached from one.
        look_every_s: How often the keeper looks.
    """

    tail_bytes_min: int = 16 * 1024 * 1024
    stays_s: float = 600.0
    stays_bytes: int = 1024 * 1024 * 1024
    inline_bytes_max: int = 8 * 1024 * 1024
    look_every_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Sample:
    """How much had been read by an entry."""

    position: int
    timestamp_ms: int
    read_bytes: int


class Tail:
    """Watches one journal grow."""

    def __init__(self, keeping: Keeping) -> None:
        self._stays_ms = keeping.stays_s * 1000
        self._stays_bytes = keeping.stays_bytes
        self.begin()

    def begin(self, marked_ms: int | None = None) -> None:
        """Begin anew: at the beginning of a journal, or behind a checkpoint of a state as old as that, Unix ms."""
        self.marked_ms = marked_ms
        self._read_bytes = 0
        self._marked_bytes = 0
        self._newest_ms = 0
        self._samples: deque[_Sample] = deque()

    def read(self, entries: Sequence[Entry]) -> None:
        """Note entries that were read."""
        self._read_bytes += sum([len(entry.data) for entry in entries]) + ENTRY_BYTES * len(entries)
        last = entries[-1]
        self._newest_ms = max(self._newest_ms, last.timestamp_ms)
        samples = self._samples
        sample = _Sample(last.position, self._newest_ms, self._read_bytes)
        is_due = (
            not samples
            or self._newest_ms - samples[-1].timestamp_ms >= min(_SAMPLE_MS, self._stays_ms)
            or self._read_bytes - samples[-1].read_bytes >= self._stays_bytes // 64
        )
        if is_due:
            samples.append(sample)
            while len(samples) > 1 and self._is_old(samples[1]):
                samples.popleft()

    def marked(self) -> None:
        """Note that a marker was accepted: what follows is the new tail."""
        self._marked_bytes = self._read_bytes
        self.marked_ms = self._newest_ms

    @property
    def size_bytes(self) -> int:
        """Length of what was read behind the last checkpoint."""
        return self._read_bytes - self._marked_bytes

    @property
    def stays_from(self) -> int:
        """Position from which on entries stay whatever else is known; 0 when all of them do."""
        samples = self._samples
        oldest = samples[0] if samples else None
        return oldest.position if oldest is not None and self._is_old(oldest) else 0

    def _is_old(self, sample: _Sample) -> bool:
        return (
            self._newest_ms - sample.timestamp_ms >= self._stays_ms
            or self._read_bytes - sample.read_bytes >= self._stays_bytes
        )
