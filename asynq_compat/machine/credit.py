"""Who gets the next task?

Contract: pending tasks go, in queue order, to sessions that have credit, were heard of within 20 s and do not owe a frame for more than
3 s (lease clock); all get equally many as far as their credit goes. A paused queue gives nothing.
Not obvious: equal shares are handed out as contiguous slices, not one by one in turns: slices cost nothing per task.
"""

from __future__ import annotations

from asynq_compat.machine.applied import AssignedTasks
from asynq_compat.machine.state import Assignment, Session, State

HEARD_WITHIN_MS = 20_000
OWES_AT_MOST_MS = 3_000


def assign(state: State) -> list[AssignedTasks]:
    """Give out what can be given out, at the end of an entry."""
    if not state.pending.count or state.is_paused:
        return []
    takers = _takers(state)
    if not takers:
        return []
    shares = _shares(state, takers)
    return [_give(state, session, shares[session.name]) for session in takers if session.name in shares]


def _takers(state: State) -> list[Session]:
    now_ms = state.clocks.lease_ms
    takers = [
        session
        for session in state.sessions.values()
        if session.credit
        and now_ms - session.last_frame_ms <= HEARD_WITHIN_MS
        and (session.owes_since_ms is None or now_ms - session.owes_since_ms <= OWES_AT_MOST_MS)
    ]
    behind = [session for session in takers if session.name > state.last_served]
    return behind + takers[: len(takers) - len(behind)]


def _shares(state: State, takers: list[Session]) -> dict[int, int]:
    left = state.pending.count
    if len(takers) == 1:
        state.last_served = takers[0].name
        return {takers[0].name: min(left, takers[0].credit)}
    shares: dict[int, int] = {}
    open_takers = takers
    while left and open_takers:
        each = left // len(open_takers)
        if not each:
            for session in open_takers[:left]:
                shares[session.name] = shares.get(session.name, 0) + 1
            state.last_served = open_takers[left - 1].name
            break
        for session in open_takers:
            part = min(each, session.credit - shares.get(session.name, 0))
            shares[session.name] = shares.get(session.name, 0) + part
            left -= part
        open_takers = [session for session in open_takers if session.credit > shares[session.name]]
    return shares


def _give(state: State, session: Session, count: int) -> AssignedTasks:
    parts = state.pending.take(count)
    segment, lo, hi = parts[0]
    ids, messages = segment.ids[lo:hi], segment.messages[lo:hi]
    for segment, lo, hi in parts[1:]:
        ids += segment.ids[lo:hi]
        messages += segment.messages[lo:hi]
    assignment = Assignment(session.name, state.position, ids, messages, parts, bytearray(b"\x01") * count, count)
    session.assignments[state.position] = assignment
    session.credit -= count
    if session.owes_since_ms is None:
        session.owes_since_ms = state.clocks.lease_ms
    state.active_count += count
    state.tasks.update(dict.fromkeys(ids, assignment))
    return AssignedTasks(session.name, ids, messages)
