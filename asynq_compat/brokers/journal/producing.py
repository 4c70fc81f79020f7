"""How do tasks get into journals?

Contract: as `ports.producing`. Thread-safe. A plain task (id of our making, no lock) costs one append and is answered when that is
durable; where a lock or a chosen id may say no, the answer is the machine's: a server replies, or this process's replica knows if it has one.
Not obvious: tasks of one call go to each partition in order, split into frames of bounded size; a frame that fails answers for its tasks
alone when others were stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.queue import Queue
from asynq_compat.brokers.journal.sizes import MESSAGE_BYTES_MAX, too_large
from asynq_compat.brokers.journal.writing.outbox import FRAME_BYTES_MAX, FRAME_TASKS_MAX
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.unsent import unanswered
from asynq_compat.errors import AsynqError, BrokerUnavailableError, UnsupportedByBroker
from asynq_compat.machine.applied import Outcome
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

_LOG = logging.getLogger("asynq_compat.journal")

_TASK_ROOM_BYTES = 16

STATUS = {
    command.OK: EnqueueStatus.ENQUEUED,
    command.DUPLICATE: EnqueueStatus.DUPLICATE,
    command.ID_TAKEN: EnqueueStatus.ID_CONFLICT,
}


def partition_key(request: EnqueueRequest) -> str:
    """Return what says in which partition of its queue a task stands."""
    return request.group or request.unique_key or request.task_id


class JournalProducing:
    """The producing port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> Sequence[EnqueueOutcome]:
        """Store each request or say why not."""
        outcomes: list[EnqueueOutcome] = [EnqueueStatus.ENQUEUED] * len(requests)
        failures: list[BrokerUnavailableError] = []
        by_partition = self._sorted(requests, outcomes, failures)
        sent: list[tuple[Partition, Ticket, _Part]] = []
        for partition, parts in by_partition.items():
            try:
                sent += self._submit(partition, parts, is_apart=len(by_partition) > 1)
            except BrokerUnavailableError as failure:
                for part in parts:
                    _fail(outcomes, part.numbers, failure, failures)
        for step in (_await_append, _await_outcomes):  # All are under way before the first reply is waited for.
            sent = [one for one in sent if _is_through(step, one, outcomes, failures)]
        for _, ticket, part in sent:
            _answer(outcomes, part, ticket)
        if failures and all(isinstance(outcome, BrokerUnavailableError) for outcome in outcomes):
            raise failures[0]
        return outcomes

    def _sorted(
        self,
        requests: Sequence[EnqueueRequest],
        outcomes: list[EnqueueOutcome],
        failures: list[BrokerUnavailableError],
    ) -> dict[Partition, list[_Part]]:
        """Sort a batch by partition and cut it to frames, in one pass; what a journal cannot take is answered at once."""
        by_partition: dict[Partition, list[_Part]] = {}
        name: str | None = None
        for number, request in enumerate(requests):
            size_bytes = len(request.message) + len(request.task_id) + len(request.unique_key) + _TASK_ROOM_BYTES
            if len(request.message) > MESSAGE_BYTES_MAX:
                outcomes[number] = _refusal(request)
                continue
            if request.queue != name:
                name = request.queue
                queue = self._opened(name)
                if isinstance(queue, Queue):
                    partition = queue.partitions[0]
                    is_whole = len(queue.partitions) == 1
                    part = by_partition.setdefault(partition, [_Part()])[-1] if is_whole else _Part()
            if not isinstance(queue, Queue):
                _fail(outcomes, [number], queue, failures)
                continue
            if not is_whole:
                partition = queue.of(partition_key(request))
                part = by_partition.setdefault(partition, [_Part()])[-1]
            if part.numbers and (
                part.size_bytes + size_bytes > FRAME_BYTES_MAX or len(part.numbers) >= FRAME_TASKS_MAX
            ):
                part = _Part()
                by_partition[partition].append(part)
            part.add(number, request, size_bytes)
        return by_partition

    def _opened(self, name: str) -> Queue | BrokerUnavailableError:
        try:
            return self._partitions.queue(name)
        except BrokerUnavailableError as failure:
            return failure

    def _submit(
        self, partition: Partition, parts: Sequence[_Part], *, is_apart: bool
    ) -> list[tuple[Partition, Ticket, _Part]]:
        """Hand one partition's parts to its writer."""
        folds = partition.folds
        if any(part.needs_outcomes for part in parts):
            if folds:
                partition.replica.sync(timeout_s=TIMEOUT_S)
            else:
                partition.replies.prepare()
        first = self._partitions.begin(partition)
        sent: list[tuple[Partition, Ticket, _Part]] = []
        for part in parts:
            ticket = Ticket(
                [*first, part.command()],
                size_bytes=part.size_bytes,
                task_count=len(part.numbers),
                needs_outcomes=part.needs_outcomes and folds,
                asks=part.needs_outcomes and not folds,
            )
            first = []
            partition.writer.enqueue(ticket, timeout_s=TIMEOUT_S, is_apart=is_apart)
            sent.append((partition, ticket, part))
        return sent


def _await_append(partition: Partition, ticket: Ticket) -> None:
    partition.writer.wait(ticket, timeout_s=TIMEOUT_S)


def _await_outcomes(partition: Partition, ticket: Ticket) -> None:
    """Wait for what was asked: from a reply or, where nobody replies, from the journal itself."""
    if not ticket.asks:
        return
    name = partition.journal.name
    try:
        partition.replies.wait(ticket, timeout_s=partition.reply_s)
        if ticket.outcomes is None and ticket.error is None:
            _fold_for(partition, ticket)
    except AsynqError as failure:  # Whatever it is, the tasks may be stored.
        raise unanswered(name, f": {failure}", may_be_stored=True) from failure
    if ticket.outcomes is None:
        raise ticket.error or unanswered(name, "", may_be_stored=True)


def _fold_for(partition: Partition, ticket: Ticket) -> None:
    if not partition.has_replica:
        _LOG.info(
            "no server replied for queue %s within %g s: its journal is read here, and followed from now on",
            partition.queue,
            partition.reply_s,
        )
    replica = partition.replica
    replica.sync(timeout_s=TIMEOUT_S)
    if ticket.outcomes is None:  # The replica began behind the frame.
        for writer_id, sequence, _ in partition.writer.awaited.asking():
            with replica.lock:
                answer = replica.fold.answer(writer_id, sequence)
            if answer is not None:
                partition.writer.on_applied(writer_id, sequence, None, answer)


def single(request: EnqueueRequest) -> tuple[Command, int, bool]:
    """Return the command that enqueues one task, its size in bytes, and whether the machine may refuse it.

    Raises:
        AsynqError: A journal cannot take it.
    """
    part = _Part()
    if len(request.message) > MESSAGE_BYTES_MAX:
        raise _refusal(request)
    part.add(0, request, len(request.message) + len(request.task_id) + len(request.unique_key) + _TASK_ROOM_BYTES)
    return part.command(), part.size_bytes, part.needs_outcomes


def outcome_of(codes: Outcome) -> EnqueueOutcome:
    """Return what the machine's outcome of such a command means."""
    code = codes[0] if isinstance(codes, list) and len(codes) == 1 else codes
    return (STATUS.get(code) if isinstance(code, int) else None) or _rejected()


class _Part:
    """Requests of one queue that fit into one frame, in columns; `numbers` are their places in the batch."""

    __slots__ = ("ids", "messages", "more", "needs_outcomes", "numbers", "size_bytes")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.ids: list[str] = []
        self.messages: list[bytes] = []
        # The requests that say more than id and message, by their place in this part.
        self.more: dict[int, EnqueueRequest] = {}
        self.size_bytes = 0
        self.needs_outcomes = False

    def add(self, number: int, request: EnqueueRequest, size_bytes: int) -> None:
        """Take one more request in."""
        if request.has_chosen_id or request.unique_key:
            self.needs_outcomes = True
        if request.process_at is not None or request.unique_key or request.group:
            self.more[len(self.numbers)] = request
            size_bytes += len(request.group)
        self.numbers.append(number)
        self.ids.append(request.task_id)
        self.messages.append(request.message)
        self.size_bytes += size_bytes

    def command(self) -> Command:
        """Return the command that enqueues them."""
        if not self.more:
            return command.enqueue(self.ids, self.messages)
        rows = [self.more.get(place) for place in range(len(self.ids))]
        has_due = any(one.process_at is not None for one in self.more.values())
        has_locks = any(one.unique_key for one in self.more.values())
        has_groups = any(one.group for one in self.more.values())
        return command.enqueue_more(
            self.ids,
            self.messages,
            process_at=[one.process_at if one else None for one in rows] if has_due else None,
            unique_keys=[(one.unique_key or None) if one else None for one in rows] if has_locks else None,
            unique_ttls=[one.unique_ttl_s if one and one.unique_key else None for one in rows] if has_locks else None,
            groups=[(one.group or None) if one else None for one in rows] if has_groups else None,
        )


def _refusal(request: EnqueueRequest) -> AsynqError:
    size_bytes = len(request.message)
    what = f"the task is {size_bytes} bytes when encoded"
    return too_large(what, size_bytes, "enqueue a reference to it", "the payload")


def _answer(outcomes: list[EnqueueOutcome], part: _Part, ticket: Ticket) -> None:
    if not part.needs_outcomes or ticket.outcomes is None:
        return
    codes = ticket.outcomes[-1]
    if codes == command.OK:
        return
    each = (
        codes if isinstance(codes, list) and len(codes) == len(part.numbers) else [command.REJECTED] * len(part.numbers)
    )
    for number, code in zip(part.numbers, each, strict=True):
        known = STATUS.get(code) if isinstance(code, int) else None
        outcomes[number] = known or _rejected()


def _rejected() -> AsynqError:
    return UnsupportedByBroker("the journal's machine rejected the task; upgrade the servers of its queue")


def _is_through(
    step: Callable[[Partition, Ticket], None],
    one: tuple[Partition, Ticket, _Part],
    outcomes: list[EnqueueOutcome],
    failures: list[BrokerUnavailableError],
) -> bool:
    """Take a step with one part; where it fails, its tasks are answered so."""
    partition, ticket, part = one
    try:
        step(partition, ticket)
    except BrokerUnavailableError as failure:
        if ticket.asks:
            partition.writer.awaited.disregard(ticket)
        _fail(outcomes, part.numbers, failure, failures)
    except AsynqError as failure:
        for number in part.numbers:
            outcomes[number] = failure
    else:
        return True
    return False


def _fail(
    outcomes: list[EnqueueOutcome],
    numbers: Sequence[int],
    failure: BrokerUnavailableError,
    failures: list[BrokerUnavailableError],
) -> None:
    failures.append(failure)
    for number in numbers:
        outcomes[number] = failure
