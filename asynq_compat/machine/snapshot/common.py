"""What do the snapshots of a queue and of the control journal have in common?

Contract: pure; each part is written and read here: head, clocks, the way to the state, writers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from asynq_compat.errors import NewerReleaseError
from asynq_compat.machine.applied import Marker, Outcome
from asynq_compat.machine.clocks import Clocks
from asynq_compat.machine.markers import Markers
from asynq_compat.machine.reply import are_outcomes
from asynq_compat.machine.snapshot import fields as f
from asynq_compat.machine.snapshot.columns import Sized
from asynq_compat.machine.writer import Writer, Writers
from asynq_compat.wire import snapshot as s
from asynq_compat.wire.command import DIGEST_BYTES, TRAIL_BYTES

# What a row of a few numbers and short ids needs at most.
ROW_BYTES = 64


def head_items(kind: str, version: int, position: int) -> s.Body:
    """Return the head of a snapshot of this kind of machine."""
    return [s.HEAD, s.FORMAT, kind, version, position]


def head(body: s.Body, kind: str, versions: Collection[int]) -> tuple[int, int]:
    """Return machine version, one of `versions`, and position of a snapshot of this kind of machine."""
    if len(body) < 3 or body[0] != s.HEAD:
        raise f.corrupt("it does not begin with its head")
    if body[1] != s.FORMAT:
        raise _newer(f"format {body[1]!r:.40}, this release reads format {s.FORMAT}")
    if body[2] != kind:
        raise f.corrupt(f"it belongs to a {body[2]!r:.40} journal, not to a {kind} journal")
    _, _, _, version, position = f.array(body, 5)
    number = f.integer(version)
    if number not in versions:
        raise _newer(f"machine version {number}, which this release does not know")
    return number, f.integer(position)


def _newer(what: str) -> NewerReleaseError:
    return NewerReleaseError(f"a snapshot has {what}; upgrade this process")


def clock_items(clocks: Clocks) -> list[object]:
    """Return what stands for the clocks."""
    return [clocks.clock_ms, clocks.lease_ms, clocks.last_ms, clocks.has_foreign_time]


def read_clocks(item: object) -> Clocks:
    """Return the clocks."""
    clock_ms, lease_ms, last_ms, has_foreign_time = f.array(item, 4)
    return Clocks(f.integer(clock_ms), f.integer(lease_ms), f.integer_or_none(last_ms), f.flag(has_foreign_time))


def way_items(trail: bytes, markers: Markers) -> list[object]:
    """Return what stands for the way to the state and its checkpoints."""
    return [trail, *(_marker_items(marker) for marker in (markers.last, markers.before))]


def _marker_items(marker: Marker | None) -> list[object] | None:
    return None if marker is None else [marker.position, marker.digest, marker.first_chunk, marker.trail]


def read_way(item: object) -> tuple[bytes, Markers]:
    """Return the trail and the markers."""
    trail, last, before = f.array(item, 3)
    return _sized(trail, TRAIL_BYTES), Markers(_marker(last), _marker(before))


def _marker(item: object) -> Marker | None:
    if item is None:
        return None
    position, digest, first_chunk, trail = f.array(item, 4)
    marker_digest = _sized(digest, DIGEST_BYTES)
    return Marker(f.count(position), marker_digest, f.count(first_chunk), _sized(trail, TRAIL_BYTES))


def _sized(item: object, size: int) -> bytes:
    data = f.blob(item)
    if len(data) != size:
        raise f.corrupt(f"{len(data)} bytes where {size} belong")
    return data


def writer_rows(writers: Writers) -> Iterator[Sized]:
    """Give the row of each writer, the longest silent first."""
    for writer_id, writer in writers.known.items():
        row = [writer_id, writer.sequence, writer.check, writer.last_frame_ms, writer.answer]
        yield row, ROW_BYTES + _codes_size(writer.answer)


def _codes_size(outcome: Outcome | Sequence[Outcome] | None) -> int:
    """Return how many bytes outcomes need at most."""
    return sum(map(_codes_size, outcome), 8) if isinstance(outcome, list) else 8


def read_writers(writers: Writers, body: s.Body) -> None:
    """Add the writers of a section."""
    for writer_id, sequence, check, last_frame_ms, answer in f.rows(body, 5):
        if answer is not None and not are_outcomes(answer):
            raise f.corrupt("an answer that holds no outcomes")
        writer = Writer(f.integer(sequence), f.integer(check), f.integer(last_frame_ms), answer)
        writers.known[f.blob(writer_id)] = writer
