"""How does the task of a firing get into its queue's journal once, though several send it?

Contract: each sends the one frame of a writer whose id follows from the firing. The machine counts the first and ignores the others, for an
hour; all are told what became of the first.
"""

from __future__ import annotations

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.producing import outcome_of, partition_key, single
from asynq_compat.brokers.journal.reply import ReplyReader
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.unsent import unanswered
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.errors import AsynqError
from asynq_compat.machine.applied import Outcome
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus


def fire_frame(partitions: Partitions, request: EnqueueRequest, writer_id: bytes) -> EnqueueOutcome:
    """Store a task under the writer id of its firing; return what became of it, now or when another stored it.

    Raises:
        BrokerUnavailableError: No answer; the same call may be made again.
    """
    try:
        command, size_bytes, may_be_refused = single(request)
    except AsynqError as refusal:
        return refusal
    partition = partitions.queue(request.queue).of(partition_key(request))
    first = partitions.begin(partition)
    if first:
        partition.commit(first, size_bytes=64, needs_outcomes=False)
    writer = Writer(partition.journal, partitions.clock, name=partition.journal.name, writer_id=writer_id)
    ticket = Ticket([command], size_bytes=size_bytes, asks=may_be_refused)
    try:
        writer.commit(ticket, timeout_s=TIMEOUT_S)
        return outcome_of(_answer(partition, writer, writer_id, ticket)) if may_be_refused else EnqueueStatus.ENQUEUED
    finally:
        writer.close(timeout_s=0.0)


def _answer(partition: Partition, writer: Writer, writer_id: bytes, ticket: Ticket) -> Outcome:
    """Return the machine's outcome, from a server's reply or, where none serves the queue, from the journal."""
    if not partition.folds:
        replies = ReplyReader(partition.journal.name, lambda: partition.store.open(partition.journal.name), writer)
        try:
            replies.wait(ticket, timeout_s=partition.reply_s)
        finally:
            replies.retire()
        if ticket.outcomes is not None:
            return ticket.outcomes[0]
    replica = partition.replica
    replica.sync(timeout_s=TIMEOUT_S)
    with replica.lock:
        answer = replica.fold.answer(writer_id, 1)
    if answer is None:
        raise unanswered(partition.journal.name, "", may_be_stored=True)
    return answer[0]
