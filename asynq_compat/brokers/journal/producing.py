"""How do tasks get into journals?

Contract: as `ports.producing`. Thread-safe. A plain task (id of our making, no lock) costs one append and is answered when that is
durable; where a lock or a chosen id may say no, the answer is the machine's, from this process's replica, made on demand and kept.
Not obvious: tasks of one call go to each queue in order, split into frames of bounded size; a frame that fails answers for its tasks
alone when others were stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.brokers.journal.outbox import FRAME_BYTES_MAX, FRAME_TASKS_MAX
from asynq_compat.brokers.journal.partitions import TIMEOUT_S, Partition, Partitions
from asynq_compat.brokers.journal.ticket import Ticket
from asynq_compat.errors import AsynqError, BrokerUnavailableError, PayloadTooLargeError, UnsupportedByBroker
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.wire import command
from asynq_compat.wire import frame as wire_frame
from asynq_compat.wire.command import Command

# What a frame holds around one task: its envelope, the id, the lock.
_ROOM_BYTES = 4_096
MESSAGE_BYTES_MAX = wire_frame.FRAME_BYTES_MAX - _ROOM_BYTES
_TASK_ROOM_BYTES = 16

_STATUS = {
    command.OK: EnqueueStatus.ENQUEUED,
    command.DUPLICATE: EnqueueStatus.DUPLICATE,
    command.ID_TAKEN: EnqueueStatus.ID_CONFLICT,
}

# A part of a batch: its ticket and the numbers of its requests.
_Part = tuple[Partition, Ticket, Sequence[int]]


class JournalProducing:
    """The producing port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> Sequence[EnqueueOutcome]:
        """Store each request or say why not."""
        outcomes: list[EnqueueOutcome] = [EnqueueStatus.ENQUEUED] * len(requests)
        by_queue: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            if len(request.message) > MESSAGE_BYTES_MAX or request.group:
                outcomes[number] = _refusal(request)
            else:
                by_queue.setdefault(request.queue, []).append(number)
        failures: list[BrokerUnavailableError] = []
        for queue, numbers in by_queue.items():
            try:
                parts = self._submit(queue, requests, numbers)
            except BrokerUnavailableError as failure:
                _fail(outcomes, numbers, failure, failures)
                continue
            for partition, ticket, of_part in parts:
                try:
                    partition.writer.wait(ticket, timeout_s=TIMEOUT_S)
                except BrokerUnavailableError as failure:
                    _fail(outcomes, of_part, failure, failures)
                except AsynqError as failure:
                    for number in of_part:
                        outcomes[number] = failure
                else:
                    _answer(outcomes, of_part, ticket)
        if failures and all(isinstance(outcome, BrokerUnavailableError) for outcome in outcomes):
            raise failures[0]
        return outcomes

    def _submit(self, queue: str, requests: Sequence[EnqueueRequest], numbers: Sequence[int]) -> list[_Part]:
        """Hand one queue's requests to its writer, in parts that each fit a frame."""
        partition = self._partitions.queue(queue)
        if any(_needs_outcome(requests[number]) for number in numbers):
            partition.replica.sync(timeout_s=TIMEOUT_S)
        first = self._partitions.begin(partition)
        parts: list[_Part] = []
        for of_part, size_bytes in _split(requests, numbers):
            needs_outcomes = any(_needs_outcome(requests[number]) for number in of_part)
            commands = [*first, _enqueue_command(requests, of_part)]
            ticket = Ticket(commands, size_bytes=size_bytes, task_count=len(of_part), needs_outcomes=needs_outcomes)
            first = []
            partition.writer.enqueue(ticket, timeout_s=TIMEOUT_S)
            parts.append((partition, ticket, of_part))
        return parts


def _needs_outcome(request: EnqueueRequest) -> bool:
    return request.has_chosen_id or bool(request.unique_key)


def _refusal(request: EnqueueRequest) -> AsynqError:
    if request.group:
        return UnsupportedByBroker(
            f"a journal cannot hold tasks in groups yet, got group {request.group[:80]!r}; use a redis:// broker for groups"
        )
    size = len(request.message)
    return PayloadTooLargeError(
        f"the task is {size} bytes when encoded, a journal takes up to {MESSAGE_BYTES_MAX}; store the payload elsewhere and "
        "enqueue a reference to it",
        size_bytes=size,
        size_bytes_max=MESSAGE_BYTES_MAX,
    )


def _split(requests: Sequence[EnqueueRequest], numbers: Sequence[int]) -> list[tuple[Sequence[int], int]]:
    """Cut into parts within a frame's bounds; each with its size in bytes."""
    parts: list[tuple[Sequence[int], int]] = []
    part: list[int] = []
    size_bytes = 0
    for number in numbers:
        request = requests[number]
        one_bytes = len(request.message) + len(request.task_id) + len(request.unique_key) + _TASK_ROOM_BYTES
        if part and (size_bytes + one_bytes > FRAME_BYTES_MAX or len(part) >= FRAME_TASKS_MAX):
            parts.append((part, size_bytes))
            part, size_bytes = [], 0
        part.append(number)
        size_bytes += one_bytes
    if part:
        parts.append((part, size_bytes))
    return parts


def _enqueue_command(requests: Sequence[EnqueueRequest], numbers: Sequence[int]) -> Command:
    chosen = [requests[number] for number in numbers]
    ids = [one.task_id for one in chosen]
    messages = [one.message for one in chosen]
    if not any(one.process_at is not None or one.unique_key for one in chosen):
        return command.enqueue(ids, messages)
    return command.enqueue_more(
        ids,
        messages,
        process_at=[one.process_at for one in chosen] if any(one.process_at is not None for one in chosen) else None,
        unique_keys=[one.unique_key or None for one in chosen] if any(one.unique_key for one in chosen) else None,
        unique_ttls=[one.unique_ttl_s if one.unique_key else None for one in chosen]
        if any(one.unique_key for one in chosen)
        else None,
    )


def _answer(outcomes: list[EnqueueOutcome], numbers: Sequence[int], ticket: Ticket) -> None:
    if not ticket.needs_outcomes or ticket.outcomes is None:
        return
    codes = ticket.outcomes[-1]
    if codes == command.OK:
        return
    each = codes if isinstance(codes, list) and len(codes) == len(numbers) else [command.REJECTED] * len(numbers)
    for number, code in zip(numbers, each, strict=True):
        known = _STATUS.get(code) if isinstance(code, int) else None
        outcomes[number] = known or UnsupportedByBroker(
            "the journal's machine rejected the task; upgrade the servers of its queue"
        )


def _fail(
    outcomes: list[EnqueueOutcome],
    numbers: Sequence[int],
    failure: BrokerUnavailableError,
    failures: list[BrokerUnavailableError],
) -> None:
    failures.append(failure)
    for number in numbers:
        outcomes[number] = failure
