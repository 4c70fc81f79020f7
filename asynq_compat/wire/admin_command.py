"""Which commands does an operator give a queue beyond those about single tasks?

Contract: pure; see `command`.
"""

from __future__ import annotations

from asynq_compat.wire import command as c


def run_all(state: str, group: str, count_max: int) -> c.Command:
    """Make the next tasks of a state pending, at most so many; `group` is "" but for the state "aggregating"."""
    return [c.RUN_ALL, state, group, count_max]


def archive_all(state: str, group: str, count_max: int) -> c.Command:
    """Move the next tasks of a state to the archive; as `run_all`."""
    return [c.ARCHIVE_ALL, state, group, count_max]


def delete_all(state: str, group: str, count_max: int) -> c.Command:
    """Delete the next tasks of a state and free their locks; as `run_all`."""
    return [c.DELETE_ALL, state, group, count_max]


def update_payload(task_id: str, payload: bytes) -> c.Command:
    """Give a scheduled task another payload."""
    return [c.UPDATE_PAYLOAD, task_id, payload]


def remove_queue(*, force: bool) -> c.Command:
    """Forget everything but who serves the queue; without `force` only if no task is there, and never while one is active."""
    return [c.REMOVE_QUEUE, force]


def queue_gone(name: str) -> c.Command:
    """Control: the queue exists no longer, until somebody says that it does."""
    return [c.QUEUE_GONE, name]
