"""What does a foreign producer's record mean to a queue?

Contract: pure, total. One encoded TaskMessage is one task to enqueue; what is missing is filled in, the same by all replicas. What is
no task is counted, and named where an operator should hear of it.
Not obvious: a blank id follows from journal, partition and position, so that all replicas agree on it and no two records share it. What
the message says of earlier attempts (retried, error_msg, ...) stays: a task that moves here from another Asynq goes on counting.
Source: docs/journal.md, "Bare records".
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from uuid import UUID

from asynq_compat.machine.enqueue import enqueue_one
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step
from asynq_compat.rules.deadline import DEFAULT_TIMEOUT_S
from asynq_compat.rules.limits import DURATION_NS_MAX, INSTANT_S_MAX, NS_PER_S, is_blank
from asynq_compat.wire.bare import BareRecord, Headers, parse_bare
from asynq_compat.wire.command import DUPLICATE, ID_TAKEN, OK
from asynq_compat.wire.message import encode_message
from asynq_compat.wire.unique import unique_key

# The longest that a duration can be in Asynq: 292 years.
UNIQUE_TTL_S_MAX = DURATION_NS_MAX // NS_PER_S


def enqueue_bare(state: State, step: Step, queue: str, data: bytes, headers: Headers) -> int | None:
    """Enqueue the task in a record; return its outcome, None when there is no task in it."""
    record = read_bare(data, headers)
    if isinstance(record, str):
        state.skipped.unreadable += 1
        step.notes.append(f"entry {step.position} was skipped: {record}")
        return None
    lock = _lock_of(record, queue)
    task_id, message = _filled(state, step.position, queue, record, lock)
    outcome = _enter(state, record, task_id, message, lock)
    if outcome == ID_TAKEN:
        state.skipped.id_taken += 1
        step.notes.append(f"entry {step.position} was skipped: the id {task_id[:80]!r} is taken")
    elif outcome == DUPLICATE:
        state.skipped.duplicate += 1
    return outcome


def read_bare(data: bytes, headers: Headers) -> BareRecord | str:
    """Return what a record says, or why every queue skips it."""
    record = parse_bare(data, headers)
    return record if isinstance(record, str) else _fault_of(record) or record


def _enter(state: State, record: BareRecord, task_id: str, message: bytes, lock: str | None) -> int:
    process_at, ttl_s = record.process_at, record.unique_ttl_s
    if process_at is not None and process_at <= state.clock_s():
        process_at = None
    if process_at is not None and ttl_s is not None:
        # The lock counts from when the task runs, as Asynq's client counts it: whole seconds, the fraction cut off.
        ttl_s += (process_at * 1000 - state.clocks.clock_ms) // 1000
    if process_at is not None or lock is not None or record.group is not None:
        return enqueue_one(state, task_id, message, process_at, lock, ttl_s, record.group)
    if task_id in state.tasks:
        return ID_TAKEN
    state.make_pending([task_id], [message], state.clocks.clock_ms)
    return OK


def _fault_of(record: BareRecord) -> str | None:
    """Return what makes no sense to a queue."""
    if is_blank(record.message.type):
        return "its task type is blank"
    process_at, ttl_s, group = record.process_at, record.unique_ttl_s, record.group
    if process_at is not None and process_at > INSTANT_S_MAX:
        return (
            f"its header process_at must be Unix seconds up to the year 9999, got {process_at}; are these milliseconds?"
        )
    if ttl_s is not None and not 1 <= ttl_s <= UNIQUE_TTL_S_MAX:
        return f"its header unique_ttl must be seconds from 1 to {UNIQUE_TTL_S_MAX}, got {ttl_s}"
    if group is not None and is_blank(group):
        return "its header group is blank"
    return None


def _lock_of(record: BareRecord, queue: str) -> str | None:
    if record.unique_ttl_s is None:
        return None
    message = record.message
    return message.unique_key or unique_key(queue, message.type, message.payload)


def _filled(state: State, position: int, queue: str, record: BareRecord, lock: str | None) -> tuple[str, bytes]:
    """Return the id and the message as they are stored."""
    message = record.message
    task_id = _derived_id(state, position) if is_blank(message.id) else message.id
    timeout = message.timeout if message.timeout or message.deadline else DEFAULT_TIMEOUT_S
    if (
        task_id == message.id
        and queue == message.queue
        and timeout == message.timeout
        and (lock is None or lock == message.unique_key)
        and (record.group is None or record.group == message.group_key)
    ):
        return task_id, record.encoded
    filled = replace(
        message,
        id=task_id,
        queue=queue,
        timeout=timeout,
        unique_key=message.unique_key if lock is None else lock,
        group_key=message.group_key if record.group is None else record.group,
    )
    return task_id, encode_message(filled)


def _derived_id(state: State, position: int) -> str:
    journal_id, partition, _ = state.genesis or (b"", 0, 1)
    seed = b"%b:%d:%d" % (journal_id, partition, position)
    return str(UUID(bytes=blake2b(seed, digest_size=16).digest(), version=4))
