"""Are two states equal?

Contract: pure; equal states have equal digests, however they came about. Walks everything: for markers and tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from asynq_compat.machine.indexes import TimedTask
from asynq_compat.machine.state import Assignment, State
from asynq_compat.machine.views import active_assignments

_Item = int | str | bytes | None


def digest(state: State) -> bytes:
    """Return 32 bytes for the whole state."""
    summing = blake2b(digest_size=32)
    for part in (_frame(state), _sessions(state), _pending(state), _active(state), _timed(state), _extras(state)):
        for row in part:
            summing.update(b"".join(_packed(item) for item in row) + b"\n")
        summing.update(b"\f")
    return summing.digest()


def _packed(item: _Item) -> bytes:
    if item is None:
        return b"n"
    if isinstance(item, int):
        return b"i%d;" % item
    data = item.encode() if isinstance(item, str) else item
    return b"b%d:%b" % (len(data), data)


def _frame(state: State) -> Iterator[tuple[_Item, ...]]:
    clocks, counters = state.clocks, state.counters
    yield (state.position, *(state.genesis or ()), state.version, state.is_paused, state.last_served)
    yield (clocks.clock_ms, clocks.lease_ms, clocks.last_ms, clocks.has_foreign_time)
    yield (state.skipped.unreadable, state.skipped.id_taken, state.skipped.duplicate)
    yield (counters.processed_total, counters.failed_total, state.pending.next_ordinal, state.pending.front_ordinal)
    for day, count in counters.days.items():
        yield (day, count.expires_ms, count.processed, count.failed)
    for writer_id, writer in state.writers.known.items():
        yield (writer_id, writer.sequence, writer.check, writer.last_frame_ms)
        if writer.answer is not None:
            yield ("answer", repr(writer.answer))


def _sessions(state: State) -> Iterator[tuple[_Item, ...]]:
    for s in state.sessions.values():
        yield (s.name, s.server_id, s.writer_id, s.slots, s.newest_version, s.credit)
        yield (s.last_frame_ms, s.owes_since_ms, *s.mark)


def _pending(state: State) -> Iterator[tuple[_Item, ...]]:
    for segment, lo, hi in state.pending.parts():
        for index in range(lo, hi):
            yield (
                segment.ordinal + index,
                segment.ids[index],
                segment.messages[index],
                segment.since_ms(index),
            )


def _active(state: State) -> Iterator[tuple[_Item, ...]]:
    for assignment in active_assignments(state):
        yield (assignment.session, assignment.position, len(assignment.ids), assignment.orphaned_ms)
        yield from _live_tasks(assignment)
    yield from state.orphans


def _live_tasks(assignment: Assignment) -> Iterator[tuple[_Item, ...]]:
    for index, is_live in enumerate(assignment.live):
        if is_live:
            ((segment, lo, _),) = assignment.places(index, index + 1)
            yield (
                index,
                segment.ordinal + lo,
                assignment.ids[index],
                assignment.messages[index],
                segment.since_ms(lo),
            )


def _timed(state: State) -> Iterator[tuple[_Item, ...]]:
    for kind, index in state.timed.items():
        yield (kind, index.count)
        yield from map(_timed_row, index.sorted())


def _timed_row(task: TimedTask) -> tuple[_Item, ...]:
    return (task.score, task.task_id, task.message)


def _extras(state: State) -> Iterator[tuple[_Item, ...]]:
    for task_id, extra in sorted(state.extras.items(), key=lambda item: item[0]):
        yield (task_id, extra.unique_key, extra.result, extra.return_count)
    for key, (task_id, expires_ms) in sorted(state.locks.held.items()):
        yield (key, task_id, expires_ms)
