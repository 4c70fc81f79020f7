"""Which way has a state come, and which checkpoints of it are known?

Contract: pure. The trail is a check value over all entries applied and what they did: replicas that read the same log and do the same with
it have the same trail at each position. A marker says that a checkpoint of the state at a position is complete; the last two accepted
ones are remembered, and what may be cut follows from them.
Not obvious: whether a marker is accepted depends on the log alone. That its trail is not ours is no reason to refuse it, but one for this
replica to stop: `Footprints` are its own memory, no part of the state.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

from asynq_compat.machine.applied import Marker, Outcome, Verdict
from asynq_compat.wire.bare import Headers
from asynq_compat.wire.command import BEHIND, OK, TRAIL_BYTES

# A marker comes soon after the position that it is about: a tail of 16 MiB in frames of 256 bytes.
FOOTPRINT_COUNT_MIN = 65_536

# position, timestamp_ms, is_log_time, check
Entry = tuple[int, int, bool, int]


@dataclass(slots=True, eq=False)
class Markers:
    """The last accepted marker, and the one accepted before it."""

    last: Marker | None = None
    before: Marker | None = None

    def take(self, marker: Marker, now_at: int) -> int:
        """Accept a marker that says something new of what lies behind position `now_at`; return the outcome."""
        last = self.last
        if marker.position >= now_at or (last is not None and marker.position <= last.position):
            return BEHIND
        if marker.first_chunk < self.first_chunk_needed():
            return BEHIND
        self.before, self.last = last, marker
        return OK

    def first_chunk_needed(self) -> int:
        """Return below which position the journal of checkpoints may be cut."""
        if self.last is None or self.before is None:
            return 0
        return min(self.last.first_chunk, self.before.first_chunk)


def trail_after(
    trail: bytes, entry: Entry, verdict: Verdict, outcomes: Sequence[Outcome], told: Sequence[object] = ()
) -> bytes:
    """Return the trail behind an entry: where and when it came, what it was taken for, and what it did besides succeeding."""
    words = b"%d %d %d %d %b" % (*entry, verdict.value.encode())
    if told or any(outcomes):
        words += f" {list(outcomes)} {list(told)}".encode()
    return blake2b(trail + words, digest_size=TRAIL_BYTES).digest()


def check_of(data: bytes, headers: Headers) -> int:
    """Return the CRC-32 of an entry's data, and of its headers if it has some."""
    check = crc32(data)
    for name, value in headers:
        check = crc32(value, crc32(name.encode("utf-8", "surrogatepass"), check))
    return check


class Footprints:
    """The trails at the last positions that this replica has seen, to be held against markers."""

    def __init__(self) -> None:
        self._positions = array("q")
        self._trails = bytearray()
        self.divergence: str | None = None

    def add(self, position: int, trail: bytes) -> None:
        """Remember the trail at a position above all before."""
        if len(self._positions) >= 2 * FOOTPRINT_COUNT_MIN:
            del self._positions[:FOOTPRINT_COUNT_MIN]
            del self._trails[: FOOTPRINT_COUNT_MIN * TRAIL_BYTES]
        self._positions.append(position)
        self._trails += trail

    def compare(self, marker: Marker) -> None:
        """Note if an accepted marker tells of another way than ours."""
        at = bisect_left(self._positions, marker.position)
        if at == len(self._positions) or self._positions[at] != marker.position:
            return
        if self._trails[at * TRAIL_BYTES : (at + 1) * TRAIL_BYTES] != marker.trail and self.divergence is None:
            self.divergence = f"a checkpoint at position {marker.position} is of another state than was folded here"
