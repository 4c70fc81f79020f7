"""How does the work on a task end?

Contract: a task is settled only under the assignment that still holds it; anything else is stale and changes nothing. What is held of a
range is settled, the rest is named.
Not obvious: COMPLETE and RETRY bring what would have to be read from the message (retention, retried), so that all replicas agree even
about bytes that no two libraries read alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from asynq_compat.machine.amending import amended
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.archive import put_into_archive
from asynq_compat.machine.lease import give_back
from asynq_compat.machine.state import Assignment, State
from asynq_compat.machine.step import Step, is_int, item_list, range_of, summary
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.command import OK, REJECTED, STALE, Command

DELAY_MS_MAX = 2**53
RETENTION_S_MAX = 2**40
RETRIED_MIN, RETRIED_MAX = -(2**31), 2**31 - 1  # an int32 in the message; a foreign producer may begin anywhere

_Move = Callable[[State, Assignment, int, int], None]


@dataclass(slots=True)
class _Ended:
    """What the ranges of one command take out of assignments; it goes on its way in one step behind the last of them."""

    ids: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    def take(self, state: State, assignment: Assignment, lo: int, hi: int) -> None:
        """Take live tasks `lo` to `hi - 1`."""
        self.ids += assignment.ids[lo:hi]
        self.messages += assignment.messages[lo:hi]
        state.release(assignment, lo, hi)


def settle_done(state: State, step: Step, command: Command) -> Outcome | None:
    """Ended well: deleted."""
    ended = _Ended()
    outcome = _over_ranges(state, step, command, ended.take)
    if ended.ids:
        state.forget(ended.ids, frees_locks=True)
        state.counters.add(state.clocks.clock_ms, len(ended.ids), 0)
    return outcome


def settle_requeue(state: State, step: Step, command: Command) -> Outcome | None:
    """Next in line again; of several the last comes first, as when each is put in front."""
    return _over_ranges(state, step, command, _put_in_front)


def hand_back(state: State, step: Step, command: Command) -> Outcome | None:
    """What was not started returns to its place."""
    return _over_ranges(state, step, command, give_back)


def settle_complete(state: State, step: Step, command: Command) -> Outcome | None:
    """Ended well and kept for a while."""
    items = item_list(command)
    if items is None or not step.names_session:
        return None
    codes: list[int | list[int]] = []
    by_retention: dict[int, _Ended] = {}
    for item in items:
        spot = range_of(item[:3]) if type(item) is list and len(item) == 4 else None
        retention_s = item[3] if type(item) is list and len(item) == 4 else None
        if spot is None or not is_int(retention_s) or not 1 <= retention_s <= RETENTION_S_MAX:
            codes.append(REJECTED)
        else:
            ended = by_retention.setdefault(retention_s, _Ended())
            codes.append(_over_range(state, step, spot, ended.take))
    for retention_s, ended in by_retention.items():
        if ended.ids:
            state.locks.release(ended.ids)
            state.keep(ended.ids, ended.messages, retention_s)
            state.counters.add(state.clocks.clock_ms, len(ended.ids), 0)
    return summary(codes)


def settle_retry(state: State, step: Step, command: Command) -> Outcome | None:
    """Failed: runs again."""
    items = item_list(command)
    if items is None or not step.names_session:
        return None
    return summary([_retry_one(state, step, item) for item in items])


def settle_archive(state: State, step: Step, command: Command) -> Outcome | None:
    """Failed for good."""
    items = item_list(command)
    if items is None or not step.names_session:
        return None
    return summary([_archive_one(state, step, item) for item in items])


def write_result(state: State, step: Step, command: Command) -> Outcome | None:
    """A handler's result is stored with its task."""
    if len(command) != 4 or not step.names_session:
        return None
    _, position, index, result = command
    if not (is_int(position) and is_int(index)) or type(result) is not bytes:
        return None
    assignment = _held(step, position, index)
    if assignment is None:
        return [STALE]
    state.extra_of(assignment.ids[index]).result = result
    return 0


def recover_retry(state: State, _: Step, command: Command) -> Outcome | None:
    """An orphan runs again."""
    items = item_list(command)
    if items is None:
        return None
    codes: list[int | list[int]] = []
    for item in items:
        if type(item) is not list or len(item) != 6 or not _is_retry(item[1:]):
            codes.append(REJECTED)
        else:
            codes.append(_retry(state, _orphan(state, item), item[1:]))
    return summary(codes)


def recover_archive(state: State, _: Step, command: Command) -> Outcome | None:
    """An orphan has failed for good."""
    items = item_list(command)
    if items is None:
        return None
    codes: list[int | list[int]] = []
    for item in items:
        if type(item) is not list or len(item) != 4 or not _is_archiving(item[1:]):
            codes.append(REJECTED)
        else:
            codes.append(_archive(state, _orphan(state, item), item[1:]))
    return summary(codes)


def _over_ranges(state: State, step: Step, command: Command, move: _Move) -> Outcome | None:
    items = item_list(command)
    if items is None or not step.names_session:
        return None
    codes: list[int | list[int]] = []
    for item in items:
        spot = range_of(item)
        codes.append(REJECTED if spot is None else _over_range(state, step, spot, move))
    return summary(codes)


def _over_range(state: State, step: Step, spot: tuple[int, int, int], move: _Move) -> int | list[int]:
    position, lo, hi = spot
    assignment = step.session.assignments.get(position) if step.session is not None else None
    if assignment is None:
        return STALE
    if hi > len(assignment.ids):
        return REJECTED
    spans = assignment.spans(lo, hi)
    for first, last in spans:
        move(state, assignment, first, last)
    if spans == [(lo, hi)]:
        return OK
    if not spans:
        return STALE
    codes = [STALE] * (hi - lo)
    for first, last in spans:
        codes[first - lo : last - lo] = [OK] * (last - first)
    return codes


def _put_in_front(state: State, assignment: Assignment, lo: int, hi: int) -> None:
    ids = assignment.ids[lo:hi][::-1]
    segment = state.pending.push_front(ids, assignment.messages[lo:hi][::-1])
    state.tasks.update(dict.fromkeys(ids, segment))
    state.release(assignment, lo, hi)


def _held(step: Step, position: int, index: int) -> Assignment | None:
    assignment = step.session.assignments.get(position) if step.session is not None else None
    return assignment if assignment is not None and _is_live(assignment, index) else None


def _is_live(assignment: Assignment, index: int) -> bool:
    return 0 <= index < len(assignment.ids) and assignment.live[index] == 1


def _orphan(state: State, item: list[object]) -> Assignment | None:
    session, position, index = item[:3]
    if not (is_int(session) and is_int(position) and is_int(index)):
        return None
    assignment = state.orphans.get((session, position))
    return assignment if assignment is not None and _is_live(assignment, index) else None


def _is_retry(item: list[object]) -> bool:
    position, index, delay_ms, error_msg, retried = item
    return (
        is_int(position)
        and is_int(index)
        and is_int(delay_ms)
        and abs(delay_ms) <= DELAY_MS_MAX
        and type(error_msg) is str
        and (retried is None or (is_int(retried) and RETRIED_MIN <= retried <= RETRIED_MAX))
    )


def _is_archiving(item: list[object]) -> bool:
    position, index, error_msg = item
    return is_int(position) and is_int(index) and type(error_msg) is str


def _retry_one(state: State, step: Step, item: object) -> int:
    if type(item) is not list or len(item) != 5 or not _is_retry(item):
        return REJECTED
    return _retry(state, _held(step, item[0], item[1]), item)


def _archive_one(state: State, step: Step, item: object) -> int:
    if type(item) is not list or len(item) != 3 or not _is_archiving(item):
        return REJECTED
    return _archive(state, _held(step, item[0], item[1]), item)


def _retry(state: State, assignment: Assignment | None, item: list[object]) -> int:
    """Let `item` (position, index, delay_ms, error_msg, retried; checked) run again."""
    _, index, delay_ms, error_msg, retried = item
    if assignment is None or not (is_int(index) and is_int(delay_ms) and type(error_msg) is str):
        return STALE
    count = retried if is_int(retried) else None
    task_id = assignment.ids[index]
    message = amended(assignment.messages[index], retried=count, error_msg=error_msg, last_failed_at=state.clock_s())
    second = (state.clocks.clock_ms + delay_ms) // 1000
    state.make_timed(TaskState.RETRY, task_id, message, second)
    _left_unfinished(state, assignment, index)
    if count is not None:
        state.counters.add(state.clocks.clock_ms, 1, 1)
    return OK


def _archive(state: State, assignment: Assignment | None, item: list[object]) -> int:
    """Let `item` (position, index, error_msg; checked) go to the archive."""
    _, index, error_msg = item
    if assignment is None or not (is_int(index) and type(error_msg) is str):
        return STALE
    task_id = assignment.ids[index]
    message = amended(assignment.messages[index], error_msg=error_msg, last_failed_at=state.clock_s())
    _left_unfinished(state, assignment, index)
    put_into_archive(state, task_id, message)
    state.counters.add(state.clocks.clock_ms, 1, 1)
    return OK


def _left_unfinished(state: State, assignment: Assignment, index: int) -> None:
    extra = state.extras.get(assignment.ids[index])
    if extra is not None:
        extra.return_count = 0
    state.release(assignment, index, index + 1)
