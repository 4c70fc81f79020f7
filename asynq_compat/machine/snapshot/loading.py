"""How is a queue's state read again?

Contract: pure. Whatever the sections hold, the answer is a machine or `CorruptDataError`. A machine that comes back behaves as the one that
was saved; its containers are new ones, at most `COLUMN_LENGTH_MAX` tasks each.
Not obvious: in an assignment what was settled before leaves holes: an empty id, which no task has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify

from asynq_compat.machine.containers.attic import Attic
from asynq_compat.machine.containers.counters import DayCount
from asynq_compat.machine.containers.indexes import Part, Run, Segment, TimedTask
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.session import CREDIT_MAX
from asynq_compat.machine.snapshot import fields as f
from asynq_compat.machine.snapshot.common import head, read_clocks, read_way, read_writers
from asynq_compat.machine.snapshot.groups import read_grouped, read_names, read_sets
from asynq_compat.machine.state import DORMANT_LEASE_MS, Assignment, Extra, Session, Skipped, State
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import snapshot as s


def restore(
    queue: str,
    sections: Iterable[bytes],
    *,
    accepts_issuer_time: bool = False,
    versions: Versions = VERSIONS,
    attic: Attic | None = None,
) -> Machine:
    """Return the machine whose state the sections hold.

    Args:
        queue: Name of the queue.
        sections: All that `snapshot_sections` gave, in order.
        accepts_issuer_time: See `Machine`.
        versions: See `Machine`.
        attic: See `Machine`.

    Raises:
        CorruptDataError: They are not that.
    """
    state = State()
    state.pending.attic = attic
    task_count = 0
    bodies = s.unseal(sections)
    state.version, state.position = head(next(bodies, []), "queue", versions)
    _state(state, next(bodies, []))
    for body in bodies:
        reader = _READERS.get(f.integer(body[0]))
        if reader is None:
            raise f.corrupt(f"a section with code {body[0]}")
        task_count += reader(state, body) or 0
    if task_count != len(state.tasks):
        raise f.corrupt("a task is there twice")
    _work_out(state)
    return Machine(queue, accepts_issuer_time=accepts_issuer_time, state=state, versions=versions, attic=attic)


def _state(state: State, body: s.Body) -> None:
    code, clocks, way, genesis, days, totals, ordinals, is_paused, last_served, skipped = f.array(body, 10)
    if code != s.STATE:
        raise f.corrupt("what belongs to the whole queue is missing")
    if genesis is not None:
        journal_id, partition, partition_count = f.array(genesis, 3)
        state.genesis = (f.blob(journal_id), f.integer(partition), f.integer(partition_count))
    state.clocks = read_clocks(clocks)
    state.trail, state.markers = read_way(way)
    for row in f.array(days):
        day, expires_ms, processed, failed = f.integers(row, 4)
        state.counters.days[day] = DayCount(expires_ms, processed, failed)
    state.counters.processed_total, state.counters.failed_total = f.integers(totals, 2)
    state.pending.next_ordinal, state.pending.front_ordinal = f.integers(ordinals, 2)
    state.is_paused = f.flag(is_paused)
    state.last_served = f.integer(last_served)
    state.skipped = Skipped(*f.integers(skipped, 3))


def _writers(state: State, body: s.Body) -> None:
    read_writers(state.writers, body)


def _sessions(state: State, body: s.Body) -> None:
    for name, server_id, writer_id, slots, version, credit, last_frame_ms, owes_since_ms, mark in f.rows(body, 9):
        mark_position, mark_index = f.integers(mark, 2)
        session = Session(
            f.integer(name),
            f.text(server_id),
            f.blob(writer_id),
            f.integer(slots),
            f.integer(version),
            f.count(credit),
            f.integer(last_frame_ms),
            f.integer_or_none(owes_since_ms),
            (mark_position, mark_index),
        )
        state.sessions[session.name] = session


def _assignments(state: State, body: s.Body) -> None:
    for row in f.rows(body, 4):
        name, position, length = f.integers(row[:3], 3)
        orphaned_ms = f.integer_or_none(row[3])
        if not 0 < length <= CREDIT_MAX:
            raise f.corrupt(f"an assignment of {length} tasks")
        assignment = Assignment(name, position, [""] * length, [b""] * length, [], bytearray(length), 0, orphaned_ms)
        if orphaned_ms is not None:
            state.orphans[name, position] = assignment
        elif name in state.sessions:
            state.sessions[name].assignments[position] = assignment
        else:
            raise f.corrupt(f"tasks of session {name}, which is not there")


def _active(state: State, body: s.Body) -> int:
    task_count = 0
    for name, position, first, *column in f.rows(body, 7):
        place = (f.integer(name), f.integer(position))
        session = state.sessions.get(place[0])
        held = session.assignments.get(place[1]) if session is not None else None
        assignment = state.orphans.get(place) if held is None else held
        segment = _segment(column)
        lo, hi = f.integer(first), f.integer(first) + len(segment.ids)
        if assignment is None or not assignment.live.rfind(1) < lo or hi > len(assignment.ids):
            raise f.corrupt(f"tasks outside assignment {place}")
        _fill(assignment, segment, lo, hi)
        state.tasks.update(dict.fromkeys(segment.ids, assignment))
        task_count += hi - lo
    return task_count


def _fill(assignment: Assignment, segment: Segment, lo: int, hi: int) -> None:
    """Let an assignment hold tasks `lo` to `hi - 1`; it holds nothing from there on."""
    end = assignment.live.rfind(1) + 1
    if lo > end:
        assignment.parts.append(_hole(lo - end))
    assignment.parts.append((segment, 0, hi - lo))
    assignment.ids[lo:hi] = segment.ids
    assignment.messages[lo:hi] = segment.messages[0 : hi - lo]
    assignment.live[lo:hi] = b"\x01" * (hi - lo)
    assignment.live_count += hi - lo


def _hole(length: int) -> Part:
    """Return the place in line of tasks that are settled: nowhere."""
    return Segment([], [], 0, [(0, None)]), 0, length


def _pending(state: State, body: s.Body) -> int:
    task_count = 0
    runs = state.pending.runs
    for column in f.rows(body, 4):
        segment = _segment(column)
        size = len(segment.ids)
        if runs and segment.ordinal < runs[-1].segment.ordinal + runs[-1].hi:
            raise f.corrupt("pending tasks out of order")
        state.pending.put_aside_last()
        runs.append(Run(segment, 0, size))
        state.tasks.update(dict.fromkeys(segment.ids, segment))
        state.pending.count += size
        task_count += size
    return task_count


def _segment(column: list[object]) -> Segment:
    """Return the segment that holds the tasks of a column: ordinal, ids, messages, since."""
    ordinal, ids, messages, since = column
    task_ids = f.task_ids(ids)
    flat = f.array(since)
    starts = [f.integer(first) for first in flat[::2]]
    if not starts or starts[0] or starts != sorted(set(starts)) or len(flat) % 2:
        raise f.corrupt("tasks that wait since no time")
    marks = [(first, f.integer_or_none(since_ms)) for first, since_ms in zip(starts, flat[1::2], strict=True)]
    return Segment(task_ids, f.messages(messages, len(task_ids)), f.integer(ordinal), marks)


def _timed(state: State, body: s.Body) -> int:
    task_count = 0
    for number, scores, ids, messages in f.rows(body, 4):
        kind = _KINDS.get(f.integer(number))
        if kind is None:
            raise f.corrupt(f"tasks that wait in state {number}")
        task_ids = f.task_ids(ids)
        columns = f.integers(scores, len(task_ids)), task_ids, f.messages(messages, len(task_ids))
        task_count += len(task_ids)
        if kind is TaskState.COMPLETED:
            _keep(state, *columns)
            continue
        index = state.timed[kind]
        for score, task_id, message in zip(*columns, strict=True):
            task = TimedTask(kind, task_id, message, score)
            state.tasks[task_id] = task
            index.heap.append((score, task_id, index.added_count, task))
            index.added_count += 1
    return task_count


def _keep(state: State, seconds: list[int], ids: list[str], messages: list[bytes]) -> None:
    """Keep completed tasks, whose messages say when they ended."""
    for second, task_id, message in zip(seconds, ids, messages, strict=True):
        shelf = state.kept.shelf(second, None)
        state.kept.add(shelf, [task_id], [message])
        state.tasks[task_id] = shelf


def _extras(state: State, body: s.Body) -> None:
    for task_id, unique_key, result, return_count in f.rows(body, 4):
        key, kept = f.text(unique_key), None if result is None else f.blob(result)
        if kept is not None or f.count(return_count):
            state.extras[f.text(task_id)] = Extra(kept, f.count(return_count))
        if key or f.text(task_id) not in state.extras:
            state.locks.key_of[f.text(task_id)] = key


def _locks(state: State, body: s.Body) -> None:
    for key, task_id, expires_ms in f.rows(body, 3):
        state.locks.held[f.text(key)] = (f.text(task_id), f.integer(expires_ms))
        state.locks.line_up((f.text(key),), f.integer(expires_ms))


_KINDS = {int(kind): kind for kind in (*State().timed, TaskState.COMPLETED)}

_READERS: dict[int, Callable[[State, s.Body], int | None]] = {
    s.WRITERS: _writers,
    s.SESSIONS: _sessions,
    s.ASSIGNMENTS: _assignments,
    s.ACTIVE: _active,
    s.PENDING: _pending,
    s.TIMED: _timed,
    s.EXTRAS: _extras,
    s.LOCKS: _locks,
    s.SETS: read_sets,
    s.GROUPED: read_grouped,
    s.GROUP_NAMES: read_names,
}


def _work_out(state: State) -> None:
    """Fill in what follows from the rest."""
    if any(not one.tasks for one in state.groups.sets.values()):
        raise f.corrupt("a set without tasks")
    for index in state.timed.values():
        heapify(index.heap)
        index.count = len(index.heap)
    held = [one for session in state.sessions.values() for one in session.assignments.values()]
    for assignment in [*held, *state.orphans.values()]:
        if not assignment.live_count:
            raise f.corrupt(f"an assignment at {assignment.position} without tasks")
        assignment.parts.append(_hole(len(assignment.ids) - assignment.live.rfind(1) - 1))
        state.active_count += assignment.live_count
    ends = [session.expires_ms() for session in state.sessions.values()]
    state.sessions_due_ms = min(ends, default=state.clocks.lease_ms + DORMANT_LEASE_MS)
