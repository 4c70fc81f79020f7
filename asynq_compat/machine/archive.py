"""How large does the archive become?

Contract: whenever a task is archived, tasks archived 90 days ago or earlier go, and the oldest beyond 9 999.
Not obvious: 9 999 and not 10 000 is Asynq's count (its range removes one more); a trimmed task is deleted wholly, its lock stays until
its time is over, as in Asynq.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.machine.state import State
from asynq_compat.rules.task_state import TaskState

ARCHIVE_COUNT_MAX = 9_999
ARCHIVE_AGE_S = 90 * 86_400


def put_into_archive(state: State, task_id: str, message: bytes) -> None:
    """Put a task that no container holds any more into the archive, then trim it."""
    put_all_into_archive(state, [task_id], [message])


def put_all_into_archive(state: State, ids: Sequence[str], messages: Sequence[bytes]) -> None:
    """Put tasks that no container holds any more into the archive, then trim it."""
    now_s = state.clock_s()
    archived = state.timed[TaskState.ARCHIVED]
    for task_id, message in zip(ids, messages, strict=True):
        state.make_timed(TaskState.ARCHIVED, task_id, message, now_s)
    trimmed = archived.pop_until(now_s - ARCHIVE_AGE_S)
    while archived.count > ARCHIVE_COUNT_MAX:
        oldest = archived.pop_first()
        assert oldest is not None
        trimmed.append(oldest)
    if trimmed:
        state.forget([task.task_id for task in trimmed], frees_locks=False)
