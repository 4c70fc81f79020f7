"""How is a queue's state written down?

Contract: pure reads of the state as it is while the sections are taken: nothing may be applied before the last one. Live tasks only; each
with its ordinal, its message and since when it waits.
Not obvious: an assignment keeps the length it had, since settling names its tasks by index, but of those that are settled nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot.columns import COLUMN_LENGTH_MAX, Sized, batches, columns, size_of
from asynq_compat.machine.snapshot.common import ROW_BYTES, clock_items, head_items, way_items, writer_rows
from asynq_compat.machine.snapshot.groups import grouped_rows, name_rows, set_rows
from asynq_compat.machine.state import Assignment, Extra, State
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import snapshot as s


def snapshot_sections(machine: Machine, size_bytes_max: int = s.SECTION_BYTES_AIM) -> Iterator[bytes]:
    """Give a machine's state as sections.

    Args:
        machine: Must apply nothing until the last section is taken.
        size_bytes_max: No section becomes larger, unless it holds a single thing that is.
    """
    return s.seal(_bodies(machine.state, size_bytes_max))


def _bodies(state: State, size_bytes_max: int) -> Iterator[s.Body]:
    yield head_items("queue", state.version, state.position)
    yield _state(state)
    for code, rows in (
        (s.WRITERS, writer_rows(state.writers)),
        (s.SESSIONS, _session_rows(state)),
        (s.ASSIGNMENTS, _assignment_rows(state)),
        (s.ACTIVE, _active_rows(state, size_bytes_max)),
        (s.PENDING, (column.row() for column in columns(state.pending.parts(), size_bytes_max))),
        (s.TIMED, _timed_rows(state, size_bytes_max)),
        (s.EXTRAS, _extra_rows(state)),
        (s.LOCKS, _lock_rows(state)),
        (s.SETS, set_rows(state.groups)),
        (s.GROUPED, grouped_rows(state.groups, size_bytes_max)),
        (s.GROUP_NAMES, name_rows(state.groups)),
    ):
        for batch in batches(rows, size_bytes_max):
            yield [code, batch]


def _state(state: State) -> s.Body:
    counters, pending = state.counters, state.pending
    days = [[day, count.expires_ms, count.processed, count.failed] for day, count in counters.days.items()]
    genesis = None if state.genesis is None else list(state.genesis)
    totals = [counters.processed_total, counters.failed_total]
    ordinals = [pending.next_ordinal, pending.front_ordinal]
    skipped = [state.skipped.unreadable, state.skipped.id_taken, state.skipped.duplicate]
    clocks = clock_items(state.clocks)
    way = way_items(state.trail, state.markers)
    return [s.STATE, clocks, way, genesis, days, totals, ordinals, state.is_paused, state.last_served, skipped]


def _session_rows(state: State) -> Iterator[Sized]:
    for one in state.sessions.values():
        row: list[object] = [one.name, one.server_id, one.writer_id, one.slots, one.newest_version, one.credit]
        row += [one.last_frame_ms, one.owes_since_ms, list(one.mark)]
        yield row, ROW_BYTES + size_of([one.server_id], [])


def _assignments(state: State) -> Iterable[Assignment]:
    """Give those of the sessions, oldest session first, then the orphaned, in the order in which they were left."""
    for session in state.sessions.values():
        yield from session.assignments.values()
    yield from state.orphans.values()


def _assignment_rows(state: State) -> Iterator[Sized]:
    for one in _assignments(state):
        yield [one.session, one.position, len(one.ids), one.orphaned_ms], ROW_BYTES


def _active_rows(state: State, size_bytes_max: int) -> Iterator[Sized]:
    for one in _assignments(state):
        for lo, hi in one.spans(0, len(one.ids)):
            index = lo
            for column in columns(one.places(lo, hi), size_bytes_max):
                yield column.row(one.session, one.position, index)
                index += len(column.ids)


def _timed(state: State) -> Iterator[tuple[TaskState, Iterator[tuple[int, str, bytes]]]]:
    """Give of each state second, id and message of what waits in it."""
    for kind, index in state.timed.items():
        yield kind, ((task.score, task.task_id, task.message) for task in index.sorted())
    kept = state.kept.in_order()
    yield TaskState.COMPLETED, ((shelf.until_s, task_id, shelf.message(task_id)) for shelf, task_id in kept)


def _timed_rows(state: State, size_bytes_max: int) -> Iterator[Sized]:
    for kind, waiting in _timed(state):
        scores: list[int] = []
        ids: list[str] = []
        messages: list[bytes] = []
        size = 0
        for score, task_id, message in waiting:
            task_size = size_of([task_id], [message])
            if ids and (len(ids) == COLUMN_LENGTH_MAX or size + task_size > size_bytes_max):
                yield [int(kind), scores, ids, messages], size
                scores, ids, messages, size = [], [], [], 0
            scores.append(score)
            ids.append(task_id)
            messages.append(message)
            size += task_size
        if ids:
            yield [int(kind), scores, ids, messages], size


def _extra_rows(state: State) -> Iterator[Sized]:
    extras, key_of, nothing = state.extras, state.locks.key_of, Extra()
    for task_id in sorted(extras.keys() | key_of.keys()):
        key, extra = key_of.get(task_id, ""), extras.get(task_id, nothing)
        size = ROW_BYTES + size_of([task_id, key], [extra.result or b""])
        yield [task_id, key, extra.result, extra.return_count], size


def _lock_rows(state: State) -> Iterator[Sized]:
    for key, (task_id, expires_ms) in sorted(state.locks.held.items()):
        yield [key, task_id, expires_ms], ROW_BYTES + size_of([key, task_id], [])
