"""How do the tasks of a group become one on a journal?

Contract: each server looks at the groups of the partitions that it follows, in its own replica: what is not due costs nothing. A set is
finished in one command, the deletion of its tasks with the enqueueing of the one that stands for them, where both are in one partition.
Not obvious: the keeper comes first, others only for groups that it left alone for some seconds: it may have no aggregator. Two that
come at once do no harm: the journal decides who was first. An id of our own making is chosen anew until it points to the set's partition.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.producing import MESSAGE_BYTES_MAX, STATUS, partition_key
from asynq_compat.brokers.journal.queue import Queue
from asynq_compat.errors import CorruptDataError
from asynq_compat.machine.applied import Outcome, SetView
from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus, Producing
from asynq_compat.rules.patience import Patience
from asynq_compat.wire import command
from asynq_compat.wire.command import Command
from asynq_compat.wire.hot_record import hot_record
from asynq_compat.wire.message import decode_message, encode_message

# For so long a group is left to each server that ranks before this one, but for no more than two of them.
RANK_S = 8
_RANK_MAX = 2
_ROOM_BYTES = 128


@hot_record
class _Place:
    """Where a set stands."""

    partition: Partition
    position: int
    number: int


class JournalAggregating:
    """The part of the maintaining port that is about groups, over journals."""

    def __init__(self, partitions: Partitions, producing: Producing) -> None:
        self._partitions = partitions
        self._producing = producing

    def aggregate(self, queue: str, patience: Patience) -> Iterator[AggregationSet]:
        """Make a set of each group that has waited long enough."""
        for partition in self._partitions.queue(queue).partitions:
            for group in self._due_groups(partition, patience):
                made = _made(partition, group, patience)
                if made is not None:
                    yield made

    def finish_set(self, one: AggregationSet, request: EnqueueRequest) -> EnqueueOutcome | None:
        """Store the request and delete the set, in one command where that can be."""
        place = one.place
        assert isinstance(place, _Place)
        queue = self._partitions.queue(one.queue)
        request = _moved(request, queue, place.partition)
        if queue.of(partition_key(request)) is place.partition and len(request.message) <= MESSAGE_BYTES_MAX:
            return _finished(place, request)
        if _set_of(place) is None:
            return None
        (outcome,) = self._producing.enqueue([request])
        if outcome is EnqueueStatus.ENQUEUED:
            _carried_out(place.partition, command.delete_set(place.position, place.number), 0)
        return outcome

    def _due_groups(self, partition: Partition, patience: Patience) -> list[str]:
        rank = partition.reply_rank()
        if rank is None or not partition.has_replica:
            return []
        now_ms = self._partitions.clock.now_ns() // 1_000_000
        with partition.replica.lock:
            now_s = max(partition.replica.fold.clock_ms, now_ms) // 1000
            due = partition.replica.fold.due_groups(patience, now_s)
        return [group for group, since_s in due if since_s <= now_s - min(rank, _RANK_MAX) * RANK_S]


def _made(partition: Partition, group: str, patience: Patience) -> AggregationSet | None:
    check = command.aggregate([group], patience.size_max, patience.delay_s, patience.grace_s)
    outcome = _carried_out(partition, check, len(group))
    name = outcome[0] if isinstance(outcome, list) and len(outcome) == 1 else None
    if not isinstance(name, list) or len(name) != 2:
        return None
    place = _Place(partition, name[0], name[1])
    found = _set_of(place)
    if found is None:
        return None
    text = f"{partition.number}.{found.position}.{found.number}"
    return AggregationSet(partition.queue, group, text, found.messages, found.expires_s, place)


def _set_of(place: _Place) -> SetView | None:
    with place.partition.replica.lock:
        return place.partition.replica.fold.aggregation_set((place.position, place.number))


def _moved(request: EnqueueRequest, queue: Queue, partition: Partition) -> EnqueueRequest:
    """Let a task whose id nobody chose, and which nothing else binds to a partition, stand in this one."""
    if request.has_chosen_id or request.group or request.unique_key:
        return request
    task_id = request.task_id
    while queue.of(task_id) is not partition:
        task_id = str(uuid.uuid4())
    if task_id == request.task_id:
        return request
    message = encode_message(replace(decode_message(request.message), id=task_id))
    return replace(request, task_id=task_id, message=message)


def _finished(place: _Place, request: EnqueueRequest) -> EnqueueOutcome | None:
    has_lock = bool(request.unique_key)
    enqueueing = command.enqueue_more(
        [request.task_id],
        [request.message],
        process_at=None if request.process_at is None else [request.process_at],
        unique_keys=[request.unique_key] if has_lock else None,
        unique_ttls=[request.unique_ttl_s] if has_lock else None,
        groups=[request.group] if request.group else None,
    )
    size_bytes = len(request.message) + len(request.task_id) + len(request.unique_key) + len(request.group)
    outcome = _carried_out(place.partition, command.delete_set(place.position, place.number, enqueueing), size_bytes)
    code = outcome[0] if isinstance(outcome, list) and len(outcome) == 1 else outcome
    if code == command.NO_SUCH_SET:
        return None
    if not isinstance(code, int) or code not in STATUS:
        raise CorruptDataError(
            f"the journal of queue {place.partition.queue} answered {code!r} where a set was finished"
        )
    return STATUS[code]


def _carried_out(partition: Partition, one: Command, size_bytes: int) -> Outcome:
    ticket = partition.commit([one], size_bytes=size_bytes + _ROOM_BYTES, needs_outcomes=True)
    assert ticket.outcomes is not None
    return ticket.outcomes[0]
