"""What was enqueued in a test?

Contract: thread-safe. What a broker took is recorded, in order, and stays recorded when the task has long been run and deleted; what it
refused (a duplicate, a taken id) is not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asynq_compat.ports.consuming import Lease, Settlement, SettleOutcome
from asynq_compat.ports.maintaining import AggregationSet, Finished, Maintaining
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus, Producing
from asynq_compat.ports.scheduling import Firing, NotFired, Scheduling
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.rules.patience import Patience
from asynq_compat.wire.message import decode_message
from asynq_compat.wire.schedule import SchedulerEnqueueEvent, SchedulerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """One task as it was enqueued.

    Attributes:
        type: Name of the task type.
        payload: The payload; None when there is none or it is empty.
        headers: Metadata; empty when there is none.
        queue: Name of the queue.
        task_id: Its id.
        max_retry: How often it is tried again at most.
        timeout: How long one attempt may take; zero for no limit.
        deadline: When it has to be done; None for no deadline.
        unique: How long its uniqueness lock holds; zero for none.
        process_at: When it is to be run; None for at once.
        retention: How long it is kept after success; zero for not at all.
        group: The group in which it waits; "" for none.
        enqueued_at: When it was enqueued, by the test's clock.
    """

    type: str
    payload: bytes | None
    headers: Mapping[str, str]
    queue: str
    task_id: str
    max_retry: int
    timeout: timedelta
    deadline: datetime | None
    unique: timedelta
    process_at: datetime | None
    retention: timedelta
    group: str
    enqueued_at: datetime

    def json(self) -> object:
        """Return the payload, read as JSON.

        Raises:
            ValueError: It is none.
        """
        return json.loads(self.payload or b"")


class Recording:
    """A producing port that notes what the one behind it took."""

    def __init__(self, producing: Producing, clock: Clock) -> None:
        self._producing = producing
        self._clock = clock
        self._lock = threading.Lock()  # Guards the next one.
        self._taken: list[Enqueued] = []

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> Sequence[EnqueueOutcome]:
        """Store each request or say why not."""
        outcomes = self._producing.enqueue(requests)
        for request, outcome in zip(requests, outcomes, strict=True):
            self.note(request, outcome)
        return outcomes

    def note(self, request: EnqueueRequest, outcome: EnqueueOutcome | None) -> None:
        """Take note of a request, if it was carried out."""
        if outcome is EnqueueStatus.ENQUEUED:
            taken = _enqueued(request, self._clock.now_ns())
            with self._lock:
                self._taken.append(taken)

    def taken(self) -> list[Enqueued]:
        """Return what was taken, in order."""
        with self._lock:
            return list(self._taken)

    def forget(self) -> None:
        """Begin anew: nothing was taken."""
        with self._lock:
            self._taken.clear()


class RecordingSets:
    """A maintaining port that notes which tasks came to stand for those of groups."""

    def __init__(self, maintaining: Maintaining, recording: Recording) -> None:
        self._maintaining = maintaining
        self._recording = recording

    def finish_sets(self, finished: Sequence[Finished]) -> Sequence[EnqueueOutcome | None]:
        """Store the requests, which stand for the sets' tasks, and delete these."""
        outcomes = self._maintaining.finish_sets(finished)
        for (_, request), outcome in zip(finished, outcomes, strict=True):
            self._recording.note(request, outcome)
        return outcomes

    def forward_due(self, queues: Sequence[str]) -> int:
        """As the port behind it."""
        return self._maintaining.forward_due(queues)

    def delete_expired_completed(self, queues: Sequence[str], batch_size: int) -> int:
        """As the port behind it."""
        return self._maintaining.delete_expired_completed(queues, batch_size)

    def expired_leases(self, queues: Sequence[str]) -> Sequence[Lease]:
        """As the port behind it."""
        return self._maintaining.expired_leases(queues)

    def settle_expired(self, settlements: Sequence[Settlement]) -> Sequence[SettleOutcome]:
        """As the port behind it."""
        return self._maintaining.settle_expired(settlements)

    def aggregate(self, queue: str, patience: Patience) -> Iterator[Sequence[AggregationSet]]:
        """As the port behind it."""
        return self._maintaining.aggregate(queue, patience)

    def reclaim_sets(self, queues: Sequence[str]) -> int:
        """As the port behind it."""
        return self._maintaining.reclaim_sets(queues)


class RecordingFirings:
    """A scheduling port that notes the tasks of firings that one of many schedulers made."""

    def __init__(self, scheduling: Scheduling, recording: Recording) -> None:
        self._scheduling = scheduling
        self._recording = recording
        self._lock = threading.Lock()  # Guards the next one.
        self._made: set[tuple[str, int]] = set()

    def fire(self, request: EnqueueRequest, firing: Firing) -> EnqueueOutcome | NotFired:
        """Store the task of a firing; it is noted once, whoever asks how often."""
        outcome = self._scheduling.fire(request, firing)
        if not isinstance(outcome, NotFired):
            made = (firing.entry, firing.instant_s)
            with self._lock:
                is_new = made not in self._made
                self._made.add(made)
            if is_new:
                self._recording.note(request, outcome)
        return outcome

    def write_entries(self, scheduler_id: str, entries: Sequence[SchedulerEntry], ttl_s: int) -> None:
        """As the port behind it."""
        self._scheduling.write_entries(scheduler_id, entries, ttl_s)

    def clear_entries(self, scheduler_id: str) -> None:
        """As the port behind it."""
        self._scheduling.clear_entries(scheduler_id)

    def record_enqueue_event(self, entry_id: str, event: SchedulerEnqueueEvent) -> None:
        """As the port behind it."""
        self._scheduling.record_enqueue_event(entry_id, event)

    def clear_history(self, entry_id: str) -> None:
        """As the port behind it."""
        self._scheduling.clear_history(entry_id)

    def entries(self) -> Sequence[SchedulerEntry]:
        """As the port behind it."""
        return self._scheduling.entries()

    def enqueue_events(self, entry_id: str, *, start: int, count: int | None) -> Sequence[SchedulerEnqueueEvent]:
        """As the port behind it."""
        return self._scheduling.enqueue_events(entry_id, start=start, count=count)


def _enqueued(request: EnqueueRequest, now_ns: int) -> Enqueued:
    message = decode_message(request.message)
    return Enqueued(
        type=message.type,
        payload=message.payload or None,
        headers=dict(message.headers or {}),
        queue=message.queue,
        task_id=message.id,
        max_retry=message.retry,
        timeout=timedelta(seconds=message.timeout),
        deadline=instant_of(message.deadline * NS_PER_S) if message.deadline else None,
        unique=timedelta(seconds=request.unique_ttl_s),
        process_at=None if request.process_at is None else instant_of(request.process_at * NS_PER_S),
        retention=timedelta(seconds=message.retention),
        group=message.group_key,
        enqueued_at=instant_of(now_ns),
    )
