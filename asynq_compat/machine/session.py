"""How does a server join, stay and leave?

Contract: a session is named by the position of its OPEN and belongs to the writer of that frame. Every frame that names it renews it.
"""

from __future__ import annotations

from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.credit import HEARD_WITHIN_MS
from asynq_compat.machine.lease import end_session
from asynq_compat.machine.state import LEASE_MS, Session, State
from asynq_compat.machine.step import Step, is_int
from asynq_compat.wire.command import LAST_SESSION, STALE, Command

CREDIT_MAX = 65_536
SERVER_ID_LENGTH_MAX = 1_024


def open_session(state: State, step: Step, command: Command) -> Outcome | None:
    """A server joins with its slots and some credit."""
    if len(command) != 5 or step.has_opened:
        return None
    _, server_id, slots, newest_version, credit = command
    if type(server_id) is not str or len(server_id) > SERVER_ID_LENGTH_MAX:
        return None
    if not (is_int(slots) and is_int(newest_version) and is_int(credit)):
        return None
    if not (slots >= 0 and newest_version >= state.version and 0 <= credit <= CREDIT_MAX):
        return None
    now_ms = state.clocks.lease_ms
    session = Session(step.position, server_id, step.writer_id, slots, newest_version, credit, now_ms)
    state.sessions[step.position] = session
    state.sessions_due_ms = min(state.sessions_due_ms, now_ms + LEASE_MS)
    step.session = session
    step.names_session = True
    step.has_opened = True
    return 0


def renew_session(state: State, step: Step, command: Command) -> Outcome | None:
    """A session is heard of: what it has started, how its credit changes."""
    if len(command) != 5:
        return None
    _, name, mark_position, mark_index, credit_delta = command
    if not (is_int(name) and is_int(mark_position) and is_int(mark_index) and is_int(credit_delta)):
        return None
    step.names_session = True
    step.session = session = _own(state, step, name)
    if session is None:
        return [STALE]
    now_ms = state.clocks.lease_ms
    session.last_frame_ms = now_ms
    session.owes_since_ms = None
    session.mark = max(session.mark, (mark_position, mark_index))
    session.credit = min(max(session.credit + credit_delta, 0), CREDIT_MAX)
    state.sessions_due_ms = min(state.sessions_due_ms, now_ms + LEASE_MS)
    return 0


def close_session(state: State, step: Step, command: Command) -> Outcome | None:
    """A session leaves."""
    return _end(state, step, command, lets_last=True)


def leave_partition(state: State, step: Step, command: Command) -> Outcome | None:
    """A session leaves if another one that lives takes tasks."""
    return _end(state, step, command, lets_last=False)


def _is_replaced(state: State, name: int) -> bool:
    """Return whether a session besides this one has credit or tasks and was heard of lately."""
    now_ms = state.clocks.lease_ms
    return any(
        one.name != name and not one.is_dormant() and now_ms - one.last_frame_ms <= HEARD_WITHIN_MS
        for one in state.sessions.values()
    )


def _end(state: State, step: Step, command: Command, *, lets_last: bool) -> Outcome | None:
    if len(command) != 2 or not is_int(command[1]):
        return None
    session = _own(state, step, command[1])
    if session is None:
        return [STALE]
    if not lets_last and not _is_replaced(state, session.name):
        return [LAST_SESSION]
    end_session(state, step, session, counts_returns=False)
    if step.session is session:
        step.session = None
    return 0


def _own(state: State, step: Step, name: int) -> Session | None:
    session = state.sessions.get(name)
    return session if session is not None and session.writer_id == step.writer_id else None
