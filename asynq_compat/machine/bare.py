"""What does a foreign producer's record mean?

Contract: pure, total. One encoded TaskMessage is one task to enqueue; what is missing is filled in, the same by all replicas. What cannot
be read is skipped and named.
Not obvious: a blank id follows from journal, partition and position, so that all replicas agree on it and no two records share it.
Source: docs/journal.md, "Bare records".
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from uuid import UUID

from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step
from asynq_compat.wire.bare import parse_bare
from asynq_compat.wire.command import ID_TAKEN, OK
from asynq_compat.wire.message import encode_message

# Asynq's default when a task has neither timeout nor deadline: 30 minutes.
DEFAULT_TIMEOUT_S = 1_800


def enqueue_bare(state: State, step: Step, queue: str, data: bytes) -> int | None:
    """Enqueue the task in `data`; return its outcome, None when there is no task in it."""
    task = read_bare(state, step.position, queue, data)
    if isinstance(task, str):
        step.notes.append(f"entry {step.position} was skipped: {task}")
        return None
    task_id, message = task
    if task_id in state.tasks:
        step.notes.append(f"entry {step.position} was skipped: the id {task_id[:80]!r} is taken")
        return ID_TAKEN
    state.make_pending([task_id], [message], state.clocks.clock_ms)
    return OK


def read_bare(state: State, position: int, queue: str, data: bytes) -> tuple[str, bytes] | str:
    """Return id and message of the task in `data`, or why there is none."""
    parsed = parse_bare(data)
    if isinstance(parsed, str):
        return parsed
    message, encoded = parsed
    if not message.type.strip():
        return "its task type is blank"
    task_id = message.id if message.id.strip() else _derived_id(state, position)
    needs_timeout = not message.timeout and not message.deadline
    if task_id == message.id and message.queue == queue and not needs_timeout:
        return task_id, encoded
    filled = replace(message, id=task_id, queue=queue, timeout=DEFAULT_TIMEOUT_S if needs_timeout else message.timeout)
    return task_id, encode_message(filled)


def _derived_id(state: State, position: int) -> str:
    journal_id, partition, _ = state.genesis or (b"", 0, 1)
    seed = b"%b:%d:%d" % (journal_id, partition, position)
    return str(UUID(bytes=blake2b(seed, digest_size=16).digest(), version=4))
