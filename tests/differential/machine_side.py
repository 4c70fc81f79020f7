"""What does the machine make of the same steps?

Contract: the steps of a sequence as frames, folded with the test's time. Each task that a worker holds has a session of its own, so that it
can be lost alone; every session is renewed whenever time passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asynq_compat.machine.applied import Applied, Outcome, SetView, TaskView, Verdict
from asynq_compat.machine.machine import Machine
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.consuming import SettleKind
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.rules.patience import Patience
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import admin_command, command, decode_message
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import encode_frame

_STATUSES = {
    command.OK: EnqueueStatus.ENQUEUED,
    command.DUPLICATE: EnqueueStatus.DUPLICATE,
    command.ID_TAKEN: EnqueueStatus.ID_CONFLICT,
}
_ADMIN = {
    command.OK: AdminOutcome.OK,
    command.NO_SUCH_TASK: AdminOutcome.TASK_NOT_FOUND,
    command.IS_ACTIVE: AdminOutcome.TASK_IS_ACTIVE,
    command.IS_PENDING: AdminOutcome.TASK_IS_PENDING,
    command.IS_ARCHIVED: AdminOutcome.TASK_IS_ARCHIVED,
    command.IS_IN_SET: AdminOutcome.TASK_IS_IN_SET,
    command.IS_PAUSED: AdminOutcome.QUEUE_IS_PAUSED,
    command.IS_NOT_PAUSED: AdminOutcome.QUEUE_IS_NOT_PAUSED,
    command.IS_NOT_SCHEDULED: AdminOutcome.TASK_IS_NOT_SCHEDULED,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the machine gave a task: session and position are one, since a session of a single task is given it by its own OPEN."""

    position: int
    message: bytes


class MachineSide:
    """The machine of one queue."""

    def __init__(self, queue: str, now_ms: int) -> None:
        self.machine = Machine(queue)
        self._now_ms = now_ms
        self._sequence = 0
        self._sessions: list[int] = []
        self._frame([command.genesis(bytes(16), 0, 1)])

    def _frame(self, commands: Sequence[Command]) -> Applied:
        self._sequence += 1
        data = encode_frame(b"differential 16b", self._sequence, commands)
        applied = self.machine.apply(self.machine.position + 1, self._now_ms, True, data)
        assert applied.verdict is Verdict.APPLIED, applied
        return applied

    def let_time_pass(self, now_ms: int) -> None:
        """Renew all sessions at the new time."""
        self._now_ms = now_ms
        renewals = [command.session(name, name, 1) for name in self._sessions]
        self._frame(renewals or [command.tick()])

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> list[EnqueueStatus]:
        """Enqueue in one command."""
        columns = _columns(requests)
        return [_STATUSES[code] for code in _codes(self._frame([columns]).outcomes[0], len(requests))]

    def aggregate(self, groups: Sequence[str], patience: Patience) -> dict[str, SetView]:
        """Make sets of the groups whose time has come."""
        check = command.aggregate(groups, patience.size_max, patience.delay_s, patience.grace_s)
        outcome = self._frame([check]).outcomes[0]
        made = {}
        for group, name in zip(groups, outcome if isinstance(outcome, list) else [], strict=True):
            if isinstance(name, list):
                view = self.machine.aggregation_set((name[0], name[1]))
                assert view is not None
                made[group] = view
        return made

    def delete_set(self, one: SetView, request: EnqueueRequest) -> EnqueueStatus | None:
        """Let one task stand for a set; None when its time is over."""
        outcome = self._frame([command.delete_set(one.position, one.number, _columns([request]))]).outcomes[0]
        (code,) = _codes(outcome, 1)
        return None if code == command.NO_SUCH_SET else _STATUSES[code]

    def take(self) -> Place | None:
        """Take one task; None when there is none."""
        applied = self._frame([command.open_session("differential", 1, 1)])
        if not applied.assignments:
            self._frame([command.close_session(applied.position)])
            return None
        (assigned,) = applied.assignments
        self._sessions.append(applied.position)
        return Place(applied.position, assigned.messages[0])

    def settle(self, place: Place, kind: SettleKind, delay_s: float, text: str, *, is_failure: bool) -> bool:
        """Settle one task; False when it is not held any more."""
        name = place.position
        message = decode_message(place.message)
        match kind:
            case SettleKind.DONE:
                settlement = command.settle_done([(name, 0, 1)])
            case SettleKind.COMPLETE:
                settlement = command.settle_complete([(name, 0, 1, message.retention)])
            case SettleKind.REQUEUE:
                settlement = command.settle_requeue([(name, 0, 1)])
            case SettleKind.ARCHIVE:
                settlement = command.settle_archive([(name, 0, text)])
            case SettleKind.RETRY:
                retried = message.retried + 1 if is_failure else None
                settlement = command.settle_retry([(name, 0, round(delay_s * 1000), text, retried)])
        outcomes = self._frame([command.session(name, name, 1), settlement]).outcomes
        (code,) = _codes(outcomes[1], 1)
        assert code in {command.OK, command.STALE}, code
        self._end(name)
        return code == command.OK

    def recover(self, place: Place, kind: SettleKind, delay_s: float, text: str) -> bool:
        """Lose the task's session, then settle the orphan."""
        name = place.position
        self._frame([command.session(name, name, 1)])
        self._end(name)
        retried = decode_message(place.message).retried + 1
        if kind is SettleKind.RETRY:
            recovery = command.recover_retry([(name, name, 0, round(delay_s * 1000), text, retried)])
        else:
            recovery = command.recover_archive([(name, name, 0, text)])
        return _codes(self._frame([recovery]).outcomes[0], 1) == [command.OK]

    def _end(self, name: int) -> None:
        if name in self._sessions:
            self._sessions.remove(name)
            self._frame([command.close_session(name)])

    def write_result(self, place: Place, result: bytes) -> None:
        """Store a result."""
        renewal = command.session(place.position, place.position, 1)
        outcomes = self._frame([renewal, command.write_result(place.position, 0, result)]).outcomes
        assert _codes(outcomes[1], 1) == [command.OK], outcomes

    def administer(self, operation: str, task_id: str = "") -> AdminOutcome:
        """Run, archive, delete, pause or unpause."""
        built = {
            "run_task": command.run([task_id]),
            "archive_task": command.archive([task_id]),
            "delete_task": command.delete([task_id]),
            "pause": command.pause(),
            "unpause": command.unpause(),
        }[operation]
        (code,) = _codes(self._frame([built]).outcomes[0], 1)
        return _ADMIN[code]

    def change_all(self, operation: str, state: str, slice_size: int) -> int:
        """Run, archive or delete all tasks of a state, slice by slice; return how many."""
        count, found = 0, slice_size
        while found >= slice_size:
            outcome = self._frame([getattr(admin_command, operation)(state, "", slice_size)]).outcomes[0]
            assert isinstance(outcome, list)
            code, told = outcome
            assert code == command.OK
            assert isinstance(told, int)
            found = told
            count += found
        return count

    def update_payload(self, task_id: str, payload: bytes) -> AdminOutcome:
        """Give a scheduled task another payload."""
        outcome = self._frame([admin_command.update_payload(task_id, payload)]).outcomes[0]
        return _ADMIN[_codes(outcome, 1)[0]]

    def listed(self, state: TaskState) -> list[TaskView]:
        """Return the tasks in `state`, in order."""
        return self.machine.list_tasks(state)

    def locks(self) -> dict[str, tuple[str, int]]:
        """Return each lock's holder and when it ends, Unix ms."""
        return dict(self.machine._state.locks.held)


def _columns(requests: Sequence[EnqueueRequest]) -> Command:
    return command.enqueue_more(
        [request.task_id for request in requests],
        [request.message for request in requests],
        process_at=[request.process_at for request in requests],
        unique_keys=[request.unique_key or None for request in requests],
        unique_ttls=[request.unique_ttl_s or None for request in requests],
        groups=[request.group or None for request in requests],
    )


def _codes(outcome: Outcome, count: int) -> list[int]:
    """Return one code for each of `count` single items."""
    if outcome == command.OK:
        return [command.OK] * count
    assert isinstance(outcome, list), outcome
    return [item[0] if isinstance(item, list) else item for item in outcome]
