"""Would the simulator notice a wrong machine?

Contract: each mutant is one small wrong change to the machine, put in place for the time of a `with` block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from unittest.mock import patch

from asynq_compat.brokers.journal.reply import Replier
from asynq_compat.machine import clocks, credit, due, lease, session, writer
from asynq_compat.machine.applied import Applied
from asynq_compat.machine.containers.indexes import DueIndex, PendingQueue, Run, Segment, TimedTask
from asynq_compat.machine.containers.locks import Locks
from asynq_compat.machine.state import Assignment, Session, State
from asynq_compat.machine.step import Step
from asynq_compat.machine.versions import TRANSITIONS
from asynq_compat.machine.writer import Turn, Writers
from asynq_compat.wire import command as c
from tests.simulator.group_mutants import GROUP_MUTANTS
from tests.simulator.keeping_mutants import KEEPING_MUTANTS
from tests.simulator.snapshot_mutants import SNAPSHOT_MUTANTS
from tests.simulator.sweeping_mutants import SWEEPING_MUTANTS

Mutant = Callable[[], AbstractContextManager[object]]
_take = Writers.take
_release = State.release
_restore = PendingQueue.restore
_pop_until = DueIndex.pop_until
_started_count = lease._started_count


def _take_twice(self: Writers, writer_id: bytes, sequence: int, check: int, lease_ms: int) -> Turn:
    turn = _take(self, writer_id, sequence, check, lease_ms)
    return Turn.NEXT if turn is Turn.DUPLICATE else turn


def _release_leaves_live(self: State, assignment: Assignment, lo: int, hi: int) -> None:
    live = assignment.live[lo:hi]
    _release(self, assignment, lo, hi)
    assignment.live[lo:hi] = live


def _restore_at_the_end(self: PendingQueue, segment: Segment, lo: int, hi: int) -> None:
    self.count += hi - lo
    self.runs.append(Run(segment, lo, hi))


def _restore_loses_one(self: PendingQueue, segment: Segment, lo: int, hi: int) -> None:
    if hi - lo > 1:
        hi -= 1
    _restore(self, segment, lo, hi)


def _due_a_second_early(self: DueIndex, second: int) -> list[TimedTask]:
    return _pop_until(self, second + 1)


def _all_started(_session: Session, assignment: Assignment) -> int:
    return len(assignment.ids)


def _one_more_started(named: Session, assignment: Assignment) -> int:
    return min(_started_count(named, assignment) + 1, len(assignment.ids))


def _nothing_started(_session: Session, _assignment: Assignment) -> int:
    return 0


def _acquire_nothing(self: Locks, keys: Sequence[str], ids: Sequence[str], expires_ms: int) -> None:
    """Leave the locks free."""


def _advance_back(self: clocks.Clocks, timestamp_ms: int, *, counts: bool) -> str | None:
    self.clock_ms = timestamp_ms if counts else self.clock_ms
    return None


def _credit_stays(state: State, taker: Session, count: int) -> object:
    before = taker.credit
    given = _give(state, taker, count)
    taker.credit = before
    return given


_give = credit._give


def _pause_forgotten(state: State, _step: object, _command: c.Command) -> int:
    return 0


_own = session._own
_buried: dict[tuple[int, int], Session] = {}


def _own_forever(state: State, step: Step, name: int) -> Session | None:
    found = _own(state, step, name)
    if found is not None:
        _buried[id(state), name] = found
    return found if found is not None else _buried.get((id(state), name))


def _withdraw_ignored(state: State, step: Step, command: c.Command) -> object:
    delta = command[4] if len(command) == 5 and isinstance(command[4], int) else 0
    return session.renew_session(state, step, [*command[:4], max(delta, 0)])


def _only_the_first(self: Replier) -> float | None:
    return 0.0 if self._rank() == 0 else None


def _reply_success(writer_id: bytes, sequence: int, outcomes: list[object]) -> c.Command:
    return [c.REPLY, writer_id, sequence, [0] * len(outcomes)]


_hear = Replier.on_applied
_heard: dict[int, set[tuple[bytes | None, int]]] = {}


def _hear_once(self: Replier, applied: Applied, now_s: float) -> None:
    heard = _heard.setdefault(id(self), set())
    if applied.answer is not None and (applied.writer_id, applied.sequence) in heard:
        applied.answer = None
    heard.add((applied.writer_id, applied.sequence))
    _hear(self, applied, now_s)


MUTANTS: dict[str, Mutant] = {
    **SNAPSHOT_MUTANTS,
    "a duplicate frame is applied again": lambda: patch.object(Writers, "take", _take_twice),
    "writers are forgotten at once": lambda: patch.object(writer, "FORGOTTEN_AFTER_MS", 500),
    "a settled task can be settled again": lambda: patch.object(State, "release", _release_leaves_live),
    "a returned task goes to the end": lambda: patch.object(PendingQueue, "restore", _restore_at_the_end),
    "of returned tasks the last is lost": lambda: patch.object(PendingQueue, "restore", _restore_loses_one),
    "scheduled tasks start a second early": lambda: patch.object(DueIndex, "pop_until", _due_a_second_early),
    "what was not started is orphaned": lambda: patch.object(lease, "_started_count", _all_started),
    "the start mark is off by one": lambda: patch.object(lease, "_started_count", _one_more_started),
    "what was started returns": lambda: patch.object(lease, "_started_count", _nothing_started),
    "locks are not taken": lambda: patch.object(Locks, "acquire", _acquire_nothing),
    "the clock follows every step back": lambda: patch.object(clocks.Clocks, "advance", _advance_back),
    "credit is not used up": lambda: patch.object(credit, "_give", _credit_stays),
    "pausing does nothing": lambda: patch.dict(TRANSITIONS, {c.PAUSE: _pause_forgotten}),
    "leases never run out": lambda: patch.object(due, "expire_sessions", lambda _state, _step: None),
    "leases run out after 5 s": lambda: patch.object(Session, "expires_ms", lambda self: self.last_frame_ms + 5_000),
    "the lease clock catches up": lambda: patch.object(clocks, "LEASE_STEP_MAX_MS", 10**12),
    "credit cannot be withdrawn": lambda: patch.dict(TRANSITIONS, {c.SESSION: _withdraw_ignored}),
    "a frame that comes again is not answered": lambda: patch.object(Writers, "answer", lambda *_: None),
    "nobody replies": lambda: patch.object(Replier, "run", lambda *_: None),
    "only the first replies": lambda: patch.object(Replier, "_delay_s", _only_the_first),
    "a reply tells success": lambda: patch.object(c, "reply", _reply_success),
    "a frame that was replied to is never replied to again": lambda: patch.object(Replier, "on_applied", _hear_once),
    "an expired session settles": lambda: patch.object(session, "_own", _own_forever),
    **KEEPING_MUTANTS,
    **GROUP_MUTANTS,
    **SWEEPING_MUTANTS,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put one mutant in place."""
    with MUTANTS[name]():
        yield
