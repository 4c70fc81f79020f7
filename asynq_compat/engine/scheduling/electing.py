"""How does one of many schedulers fire?

Contract: what an entry is to all of them follows from its spec, its task and its options, and the id of a firing's task from that and the
instant. Thread-safe.
Not obvious: the order of the options is part of it, since the last of a kind holds. An id that the user chose stays.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator

from asynq_compat.compose import compose
from asynq_compat.engine.scheduling.agenda import Due, Entry
from asynq_compat.errors import AsynqError, DuplicateTaskError, TaskIDConflictError
from asynq_compat.options import OptionType, TaskID
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.ports.scheduling import Firing, NotFired, Scheduling
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.task import TaskInfo


class Electing:
    """Fires for one scheduler among many.

    Args:
        scheduling: The broker's.
        holder: The scheduler's id.
        clock: Tells when a task is composed.
    """

    def __init__(self, scheduling: Scheduling, holder: str, clock: Clock) -> None:
        self._scheduling = scheduling
        self._holder = holder
        self._clock = clock

    def enqueue(self, due: Due) -> TaskInfo | NotFired:
        """Store the task of what is due, unless another scheduler does.

        Raises:
            AsynqError: As `Client.enqueue`; after a BrokerUnavailableError the same call may be made again.
        """
        identity, instant_s = identity_of(due.entry), due.instant_ns // NS_PER_S
        wishes = due.entry.task.options + due.entry.options
        is_chosen = any(option.type is OptionType.TASK_ID for option in wishes)
        options = due.entry.options if is_chosen else (*due.entry.options, TaskID(task_id_of(identity, instant_s)))
        request, info = compose(due.entry.task, options, self._clock.now_ns())
        outcome = self._scheduling.fire(
            _with_choice(request, is_chosen=is_chosen), Firing(identity, instant_s, self._holder)
        )
        if isinstance(outcome, NotFired):
            return outcome
        if isinstance(outcome, AsynqError):
            raise outcome
        if outcome is EnqueueStatus.DUPLICATE:
            raise DuplicateTaskError(queue=request.queue, task_id=request.task_id)
        if outcome is EnqueueStatus.ID_CONFLICT:
            raise TaskIDConflictError(queue=request.queue, task_id=request.task_id)
        return info


def identity_of(entry: Entry) -> str:
    """Return what an entry is to all schedulers, 64 hexadecimal digits."""
    summing = hashlib.sha256()
    for part in _parts(entry):
        summing.update(b"%d:" % len(part))
        summing.update(part)
    return summing.hexdigest()


def task_id_of(identity: str, instant_s: int) -> str:
    """Return the id of a firing's task, in the form of a UUID."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{identity}:{instant_s}".encode()).digest()[:16], version=5))


def _parts(entry: Entry) -> Iterator[bytes]:
    task = entry.task
    yield entry.spec.encode()
    yield task.type.encode()
    yield task.payload or b""
    headers = sorted((task.headers or {}).items())
    yield b"%d" % len(headers)
    for name, value in headers:
        yield name.encode()
        yield value.encode()
    for option in task.options + entry.options:
        yield str(option).encode()


def _with_choice(request: EnqueueRequest, *, is_chosen: bool) -> EnqueueRequest:
    return EnqueueRequest(
        request.queue,
        request.task_id,
        request.message,
        request.process_at,
        request.group,
        request.unique_key,
        request.unique_ttl_s,
        is_chosen,
    )
