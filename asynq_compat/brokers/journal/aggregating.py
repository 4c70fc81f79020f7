"""How do the tasks of a group become one on a journal?

Contract: each server looks at the groups of the partitions that it follows, in its own replica: what is not due costs nothing. A set is
finished in one command, the deletion of its tasks with the enqueueing of the one that stands for them, where both are in one partition.
Many sets are made by one entry and finished by one: as many as their user needs about a second for, found out from one on.
Not obvious: the keeper comes first, others only for groups that it left alone for some seconds: it may have no aggregator. Two that
come at once do no harm: the journal decides who was first. An id of our own making is chosen anew until it points to the set's partition.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, takewhile

from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.producing import STATUS, partition_key
from asynq_compat.brokers.journal.queue import Queue
from asynq_compat.brokers.journal.sizes import MESSAGE_BYTES_MAX
from asynq_compat.brokers.journal.writing.outbox import FRAME_BYTES_MAX
from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError
from asynq_compat.machine.applied import Outcome, SetView
from asynq_compat.ports.maintaining import AggregationSet, Finished
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
# A set waits for those before it in its batch, and all of a batch wait for their time to be over if this process dies.
BATCH_S = 1.0
BATCH_SETS_MAX = 256


@hot_record
class _Place:
    """Where a set stands."""

    partition: Partition
    position: int
    number: int


@hot_record
class _Result:
    """The request that stands for a set, and its place in the answer."""

    at: int
    place: _Place
    request: EnqueueRequest


class JournalAggregating:
    """The part of the maintaining port that is about groups, over journals."""

    def __init__(self, partitions: Partitions, producing: Producing) -> None:
        self._partitions = partitions
        self._producing = producing

    def aggregate(self, queue: str, patience: Patience) -> Iterator[Sequence[AggregationSet]]:
        """Make a set of each group that has waited long enough."""
        monotonic_s, count = self._partitions.clock.monotonic_s, 1
        for partition in self._partitions.queue(queue).partitions:
            due = self._due_groups(partition, patience)
            begin = 0
            while begin < len(due):
                groups = due[begin : begin + count]
                groups = groups[: _fitting([len(group) for group in groups])]
                begin += len(groups)
                begun_s = monotonic_s()
                made = _made(partition, groups, patience)
                if made:
                    yield made
                count = _next_count(len(groups), monotonic_s() - begun_s)

    def finish_sets(self, finished: Sequence[Finished]) -> Sequence[EnqueueOutcome | None]:
        """Store the requests and delete the sets, each in one command where that can be."""
        outcomes: list[EnqueueOutcome | None] = [None] * len(finished)
        together: dict[Partition, list[_Result]] = {}
        apart: list[_Result] = []
        for at, (one, request) in enumerate(finished):
            place, queue = one.place, self._partitions.queue(one.queue)
            assert isinstance(place, _Place)
            result = _Result(at, place, _moved(request, queue, place.partition))
            is_here = queue.of(partition_key(result.request)) is place.partition
            if is_here and len(result.request.message) <= MESSAGE_BYTES_MAX:
                together.setdefault(place.partition, []).append(result)
            elif _set_of(place) is not None:
                apart.append(result)
        for partition, results in together.items():
            deletions = [(_deletion(one.place, one.request), one) for one in results]
            _carry_out(partition, deletions, outcomes)
        if apart:
            self._finish_apart(apart, outcomes)
        return outcomes

    def _finish_apart(self, results: Sequence[_Result], outcomes: list[EnqueueOutcome | None]) -> None:
        try:
            stored = self._producing.enqueue([one.request for one in results])
        except BrokerUnavailableError as failure:
            stored = [failure] * len(results)
        deletions: dict[Partition, list[tuple[Command, _Result]]] = {}
        for one, outcome in zip(results, stored, strict=True):
            outcomes[one.at] = outcome
            if outcome is EnqueueStatus.ENQUEUED:
                deletions.setdefault(one.place.partition, []).append((_deletion(one.place), one))
        for partition, of_partition in deletions.items():
            _carry_out(partition, of_partition, outcomes)

    def _due_groups(self, partition: Partition, patience: Patience) -> list[str]:
        rank = partition.reply_rank()
        if rank is None or not partition.has_replica:
            return []
        now_ms = self._partitions.clock.now_ns() // 1_000_000
        with partition.replica.lock:
            now_s = max(partition.replica.fold.clock_ms, now_ms) // 1000
            due = partition.replica.fold.due_groups(patience, now_s)
        return [group for group, since_s in due if since_s <= now_s - min(rank, _RANK_MAX) * RANK_S]


def _next_count(count: int, took_s: float) -> int:
    """Return how many sets to make at once, when the last `count` were looked after in so many seconds."""
    pace = 4.0 if 4 * took_s <= BATCH_S else BATCH_S / took_s
    return min(max(int(count * pace), 1), BATCH_SETS_MAX)


def _fitting(sizes: Sequence[int]) -> int:
    """Return how many items of these sizes, in bytes, go into one frame: the first at least."""
    sums = accumulate(size + _ROOM_BYTES for size in sizes)
    return max(sum(1 for _ in takewhile(lambda size: size <= FRAME_BYTES_MAX, sums)), 1)


def _made(partition: Partition, groups: list[str], patience: Patience) -> list[AggregationSet]:
    check = command.aggregate(groups, patience.size_max, patience.delay_s, patience.grace_s)
    (outcome,) = _outcomes(partition, [check], sum(len(group) for group in groups))
    if not isinstance(outcome, list) or len(outcome) != len(groups):
        return []
    places = [_Place(partition, *name) for name in outcome if isinstance(name, list) and len(name) == 2]
    found = [(place, _set_of(place)) for place in places]
    return [
        AggregationSet(
            partition.queue,
            one.group,
            f"{partition.number}.{one.position}.{one.number}",
            one.messages,
            one.expires_s,
            place,
        )
        for place, one in found
        if one is not None
    ]


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


def _deletion(place: _Place, request: EnqueueRequest | None = None) -> Command:
    """Return the command that deletes a set and, with a request, stores what stands for it."""
    if request is None:
        return command.delete_set(place.position, place.number)
    has_lock = bool(request.unique_key)
    enqueueing = command.enqueue_more(
        [request.task_id],
        [request.message],
        process_at=None if request.process_at is None else [request.process_at],
        unique_keys=[request.unique_key] if has_lock else None,
        unique_ttls=[request.unique_ttl_s] if has_lock else None,
        groups=[request.group] if request.group else None,
    )
    return command.delete_set(place.position, place.number, enqueueing)


def _size_bytes(request: EnqueueRequest) -> int:
    return len(request.message) + len(request.task_id) + len(request.unique_key) + len(request.group)


def _carry_out(
    partition: Partition, deletions: Sequence[tuple[Command, _Result]], outcomes: list[EnqueueOutcome | None]
) -> None:
    """Delete sets, as many in one frame as fit, and note what became of each; a frame that fails answers for its own."""
    begin = 0
    while begin < len(deletions):
        sizes = [_size_bytes(one.request) for _, one in deletions[begin:]]
        part = deletions[begin : begin + _fitting(sizes)]
        begin += len(part)
        try:
            answers = _outcomes(partition, [deletion for deletion, _ in part], sum(sizes[: len(part)]))
        except AsynqError as failure:
            for _, one in part:
                outcomes[one.at] = failure
            continue
        for (_, one), answer in zip(part, answers, strict=True):
            outcomes[one.at] = _meaning(partition.queue, answer)


def _meaning(queue: str, answer: Outcome) -> EnqueueOutcome | None:
    code = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
    if code == command.NO_SUCH_SET:
        return None
    if isinstance(code, int) and code in STATUS:
        return STATUS[code]
    return CorruptDataError(f"the journal of queue {queue} answered {code!r} where a set was finished")


def _outcomes(partition: Partition, commands: list[Command], size_bytes: int) -> Sequence[Outcome]:
    room_bytes = _ROOM_BYTES * len(commands)
    ticket = partition.commit(commands, size_bytes=size_bytes + room_bytes, needs_outcomes=True)
    assert ticket.outcomes is not None
    return ticket.outcomes
