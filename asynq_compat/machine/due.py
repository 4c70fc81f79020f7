"""What does time do to a queue?

Contract: called once an entry, before its commands. Due scheduled tasks become pending, then due retried ones, each in the order
(second, id), or wait in their group; what stands in a set whose time is over returns to its group; expired completed tasks, locks, leases
and silent writers go.
"""

from __future__ import annotations

from asynq_compat.machine.containers.indexes import TimedTask
from asynq_compat.machine.group import reclaim_sets
from asynq_compat.machine.lease import expire_sessions
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step
from asynq_compat.rules.task_state import TaskState

# While a lease runs the clocks must move: a tick comes after so long without an entry.
HEARTBEAT_MS = 8_000


def pass_time(state: State, step: Step) -> None:
    """Let everything happen whose time has come."""
    forward_due(state)
    if state.groups.sets:
        reclaim_sets(state)
    delete_expired_completed(state)
    state.locks.expire(state.clocks.clock_ms)
    expire_sessions(state, step)
    state.writers.forget(state.clocks.lease_ms)


def forward_due(state: State) -> None:
    """Make scheduled and retried tasks pending whose second has come."""
    now_s = state.clock_s()
    for waits_as in (TaskState.SCHEDULED, TaskState.RETRY):
        due = state.timed[waits_as].pop_until(now_s)
        if due and state.groups.name_of:
            due = _without_grouped(state, due)
        if due:
            state.make_pending([t.task_id for t in due], [t.message for t in due], state.clocks.clock_ms)


def _without_grouped(state: State, due: list[TimedTask]) -> list[TimedTask]:
    """Let those that belong to a group wait there; return the others."""
    others = []
    for task in due:
        group = state.groups.name_of.get(task.task_id)
        if group is None:
            others.append(task)
        else:
            state.make_grouped(task.task_id, task.message, group)
    return others


def delete_expired_completed(state: State) -> None:
    """Delete completed tasks whose retention is over."""
    expired = state.kept.pop_until(state.clock_s())
    if expired:
        state.forget(expired, frees_locks=False)


def next_due_ms(state: State) -> int | None:
    """Return the clock at which the next entry should come at the latest; None while nothing waits for time."""
    dues = []
    for waits_as in (TaskState.SCHEDULED, TaskState.RETRY):
        first = state.timed[waits_as].first()
        if first is not None:
            dues.append(first.score * 1000)
    kept_until_s = state.kept.first_s()
    if kept_until_s is not None:
        dues.append(kept_until_s * 1000)
    lock_ends_ms = state.locks.first_expiry_ms()
    if lock_ends_ms is not None:
        dues.append(lock_ends_ms)
    if state.groups.sets and (set_ends_s := state.groups.first_expiry_s()) is not None:
        dues.append(set_ends_s * 1000)
    clocks = state.clocks
    working = [session for session in state.sessions.values() if not session.is_dormant()]
    if working or state.orphans:
        dues.append(clocks.clock_ms + HEARTBEAT_MS)
        dues.extend(clocks.clock_ms + session.expires_ms() - clocks.lease_ms for session in working)
    return min(dues, default=None)
