"""What becomes of the tasks of a session that has ended?

Contract: what it has started is orphaned: still active, until a recoverer settles it with the user's retry function. What it has not
started returns to its place in line, uncounted.
Not obvious: a task whose third worker dies before starting it is orphaned all the same: it may be what kills them.
"""

from __future__ import annotations

from asynq_compat.machine.state import DORMANT_LEASE_MS, Assignment, Session, State
from asynq_compat.machine.step import Step

RETURN_COUNT_MAX = 3


def expire_sessions(state: State, step: Step) -> None:
    """End the sessions whose lease has run out."""
    now_ms = state.clocks.lease_ms
    if now_ms < state.sessions_due_ms:
        return
    for session in [session for session in state.sessions.values() if session.expires_ms() <= now_ms]:
        step.notes.append(f"session {session.name} of server {session.server_id!r} ended: its lease ran out")
        end_session(state, step, session, counts_returns=True)
    ends = [session.expires_ms() for session in state.sessions.values()]
    state.sessions_due_ms = min(ends, default=now_ms + DORMANT_LEASE_MS)


def end_session(state: State, step: Step, session: Session, *, counts_returns: bool) -> None:
    """Take a session out; its tasks return or are orphaned."""
    del state.sessions[session.name]
    step.ended.append(session.name)
    for assignment in session.assignments.values():
        assignment.orphaned_ms = state.clocks.lease_ms
        state.orphans[session.name, assignment.position] = assignment
        first_unstarted = _started_count(session, assignment)
        for lo, hi in assignment.spans(first_unstarted, len(assignment.ids)):
            _return_unstarted(state, assignment, lo, hi, counts_returns=counts_returns)


def give_back(state: State, assignment: Assignment, lo: int, hi: int) -> None:
    """Let live tasks `lo` to `hi - 1` return to their places in line."""
    for segment, first, last in assignment.places(lo, hi):
        state.tasks.update(dict.fromkeys(segment.ids[first:last], segment))
        state.pending.restore(segment, first, last)
    state.release(assignment, lo, hi)


def _started_count(session: Session, assignment: Assignment) -> int:
    mark_position, mark_index = session.mark
    if assignment.position < mark_position:
        return len(assignment.ids)
    if assignment.position == mark_position:
        return min(max(mark_index, 0), len(assignment.ids))
    return 0


def _return_unstarted(state: State, assignment: Assignment, lo: int, hi: int, *, counts_returns: bool) -> None:
    if not counts_returns:
        give_back(state, assignment, lo, hi)
        return
    for index in range(lo, hi):
        extra = state.extra_of(assignment.ids[index])
        extra.return_count += 1
        if extra.return_count < RETURN_COUNT_MAX:
            give_back(state, assignment, index, index + 1)
