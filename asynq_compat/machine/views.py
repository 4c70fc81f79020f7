"""What can be asked about a queue's state?

Contract: pure reads; each answer is a copy. Nothing here changes what `digest` sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from asynq_compat.machine.applied import OrphanedTask, QueueCounts, SessionView, SetView, TaskView
from asynq_compat.machine.containers.counters import DAY_MS
from asynq_compat.machine.containers.groups import GroupedTask, SetName
from asynq_compat.machine.containers.indexes import Segment, TimedTask
from asynq_compat.machine.containers.kept import Shelf
from asynq_compat.machine.state import Assignment, Session, State
from asynq_compat.rules.patience import Patience
from asynq_compat.rules.task_state import TaskState

# The recoverer of the session of rank r takes orphans that are older than r times this.
ORPHAN_AGE_PER_RANK_MS = 30_000
# As Asynq: memory is estimated from so many tasks of each state.
_SAMPLE_COUNT = 20
_TASK_OVERHEAD_BYTES = 180


def ranking(state: State) -> list[int]:
    """Return the sessions that look after the journal, keeper first."""
    return [session.name for session in state.sessions.values() if not session.is_dormant()]


def reply_ranking(state: State) -> list[int]:
    """Return all sessions: those that look after the journal, then those with neither credit nor tasks."""
    return sorted(state.sessions, key=lambda name: state.sessions[name].is_dormant())


def session_view(state: State, session: Session) -> SessionView:
    """Return what a session looks like from outside."""
    ranks = ranking(state)
    return SessionView(
        session=session.name,
        server_id=session.server_id,
        writer_id=session.writer_id,
        slots=session.slots,
        credit=session.credit,
        assigned_count=sum(assignment.live_count for assignment in session.assignments.values()),
        last_frame_ms=session.last_frame_ms,
        expires_ms=session.expires_ms(),
        rank=ranks.index(session.name) if session.name in ranks else None,
        newest_version=session.newest_version,
    )


def orphans(state: State, rank: int) -> list[OrphanedTask]:
    """Return the orphans that the session of this rank should settle now, oldest first."""
    old_ms = state.clocks.lease_ms - rank * ORPHAN_AGE_PER_RANK_MS
    return [
        OrphanedTask(a.session, a.position, index, a.ids[index], a.messages[index])
        for a in state.orphans.values()
        if not rank or (a.orphaned_ms is not None and a.orphaned_ms < old_ms)
        for index, is_live in enumerate(a.live)
        if is_live
    ]


def task_view(state: State, task_id: str) -> TaskView | None:
    """Return one task."""
    container = state.tasks.get(task_id)
    if container is None:
        return None
    if isinstance(container, TimedTask):
        return _timed_view(state, container)
    if isinstance(container, GroupedTask):
        return _grouped_view(state, container)
    if isinstance(container, Shelf):
        return _kept_view(state, container, task_id)
    index = container.index_of(task_id)
    if isinstance(container, Segment):
        return _pending_view(state, container, index)
    return _active_view(state, container, index)


def list_tasks(state: State, kind: TaskState, start: int, count: int | None) -> list[TaskView]:
    """Return a page of the tasks in one state."""
    stop = None if count is None else start + count
    if kind is TaskState.PENDING:
        return [_pending_view(state, *place) for place in islice(_pending_places(state, start), count)]
    if kind is TaskState.ACTIVE:
        return [_active_view(state, *place) for place in islice(_active_places(state), start, stop)]
    if kind is TaskState.COMPLETED:
        return [_kept_view(state, *place) for place in islice(state.kept.in_order(), start, stop)]
    if kind is TaskState.AGGREGATING:
        names = [name for name, _ in state.groups.sizes()]
        waiting = (task for name in names for task in state.groups.waiting(name))
        return [_grouped_view(state, task) for task in islice(waiting, start, stop)]
    index = state.timed.get(kind)
    return [] if index is None else [_timed_view(state, task) for task in index.first_in_order(stop)[start:]]


def places(state: State, kind: TaskState, count: int | None) -> list[tuple[int, str]]:
    """Return what the tasks of `list_tasks` are ordered by, at most `count`: a time, where that decides also the id; no message is read."""
    if kind is TaskState.PENDING:
        return [(segment.since_ms(index) or 0, "") for segment, index in islice(_pending_places(state, 0), count)]
    if kind is TaskState.ACTIVE:
        return [(0, "") for _ in islice(_active_places(state), count)]
    if kind is TaskState.COMPLETED:
        return [(shelf.until_s, task_id) for shelf, task_id in islice(state.kept.in_order(), count)]
    index = state.timed.get(kind)
    return [] if index is None else [(task.score, task.task_id) for task in index.first_in_order(count)]


def list_group(state: State, group: str, start: int, count: int | None) -> list[TaskView]:
    """Return a page of the tasks that wait in a group, the first to come first."""
    stop = None if count is None else start + count
    return [_grouped_view(state, task) for task in islice(state.groups.waiting(group), start, stop)]


def due_groups(state: State, patience: Patience, now_s: int) -> list[tuple[str, int]]:
    """Return the groups of which a set is to be made, and since when each is, Unix seconds; by name."""
    lines = sorted(state.groups.lines.items())
    return [(name, patience.over_since_s(line)) for name, line in lines if patience.is_over(line, now_s)]


def aggregation_set(state: State, name: SetName) -> SetView | None:
    """Return a set; None when it was deleted or its time is over."""
    found = state.groups.sets.get(name)
    if found is None:
        return None
    return SetView(*name, found.group, [task.message for task in found.tasks], found.expires_s)


def counts(state: State) -> QueueCounts:
    """Return the queue's statistics."""
    clock_ms = state.clocks.clock_ms
    processed, failed = state.counters.day(clock_ms // DAY_MS, clock_ms)
    timed = state.timed
    first = next(_pending_places(state), None)
    return QueueCounts(
        pending=state.pending.count,
        active=state.active_count,
        scheduled=timed[TaskState.SCHEDULED].count,
        retry=timed[TaskState.RETRY].count,
        archived=timed[TaskState.ARCHIVED].count,
        completed=state.kept.count,
        aggregating=len(state.groups.tasks),
        groups=len(state.groups.lines),
        orphaned=sum(assignment.live_count for assignment in state.orphans.values()),
        processed=processed,
        failed=failed,
        processed_total=state.counters.processed_total,
        failed_total=state.counters.failed_total,
        is_paused=state.is_paused,
        unreadable=state.skipped.unreadable,
        oldest_pending_since_ms=first[0].since_ms(first[1]) if first is not None else None,
        memory_usage_bytes=_memory_usage_bytes(state),
        credit=sum(session.credit for session in state.sessions.values()),
        sessions=len(state.sessions),
    )


def _memory_usage_bytes(state: State) -> int:
    samples = [
        ([len(s.messages[i]) for s, i in islice(_pending_places(state), _SAMPLE_COUNT)], state.pending.count),
        ([len(a.messages[i]) for a, i in islice(_active_places(state), _SAMPLE_COUNT)], state.active_count),
    ]
    for index in state.timed.values():
        live = (item[3] for item in index.heap if item[3].is_live)
        samples.append(([len(task.message) for task in islice(live, _SAMPLE_COUNT)], index.count))
    kept = [len(shelf.message(task_id)) for shelf, task_id in islice(state.kept.places(), _SAMPLE_COUNT)]
    samples.append((kept, state.kept.count))
    grouped = state.groups.tasks
    samples.append(([len(task.message) for task in islice(grouped.values(), _SAMPLE_COUNT)], len(grouped)))
    return sum((sum(sizes) // len(sizes) + _TASK_OVERHEAD_BYTES) * count for sizes, count in samples if sizes)


def _pending_places(state: State, start: int = 0) -> Iterator[tuple[Segment, int]]:
    """Give what waits, first to last, behind the first `start`."""
    for segment, lo, hi in state.pending.parts():
        if start < hi - lo:
            yield from ((segment, index) for index in range(lo + start, hi))
        start = max(start - (hi - lo), 0)


def active_assignments(state: State) -> list[Assignment]:
    """Return all assignments with live tasks, orphaned ones too, oldest first."""
    held = [assignment for session in state.sessions.values() for assignment in session.assignments.values()]
    return sorted([*held, *state.orphans.values()], key=lambda a: (a.position, a.session))


def _active_places(state: State) -> Iterator[tuple[Assignment, int]]:
    return (
        (assignment, index)
        for assignment in active_assignments(state)
        for index, is_live in enumerate(assignment.live)
        if is_live
    )


def _result(state: State, task_id: str) -> bytes | None:
    extra = state.extras.get(task_id)
    return extra.result if extra is not None else None


def _pending_view(state: State, segment: Segment, index: int) -> TaskView:
    task_id = segment.ids[index]
    return TaskView(
        task_id,
        segment.messages[index],
        TaskState.PENDING,
        pending_since_ms=segment.since_ms(index),
        result=_result(state, task_id),
    )


def _active_view(state: State, assignment: Assignment, index: int) -> TaskView:
    task_id = assignment.ids[index]
    return TaskView(
        task_id,
        assignment.messages[index],
        TaskState.ACTIVE,
        result=_result(state, task_id),
        session=assignment.session,
        is_orphaned=assignment.orphaned_ms is not None,
    )


def _timed_view(state: State, task: TimedTask) -> TaskView:
    return TaskView(task.task_id, task.message, task.state, due_at=task.score, result=_result(state, task.task_id))


def _grouped_view(state: State, task: GroupedTask) -> TaskView:
    result = _result(state, task.task_id)
    return TaskView(task.task_id, task.message, TaskState.AGGREGATING, due_at=task.score, result=result)


def _kept_view(state: State, shelf: Shelf, task_id: str) -> TaskView:
    message = shelf.message(task_id)
    return TaskView(task_id, message, TaskState.COMPLETED, due_at=shelf.until_s, result=_result(state, task_id))


def active_since_ms(state: State, session: int, position: int, index: int) -> int | None:
    """Return since when an active task had been pending before it was assigned; None when it is not held so, or that is not known."""
    holder = state.sessions.get(session)
    assignment = None if holder is None else holder.assignments.get(position)
    places = [] if assignment is None else assignment.places(index, index + 1)
    return places[0][0].since_ms(places[0][1]) if places else None
