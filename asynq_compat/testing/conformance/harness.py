"""How does a scenario speak about a broker?

Contract: small words over the ports: enqueue, a worker that takes and settles, the state that an inspector sees, time that passes.
Everything has a deadline in real time whose message shows what was seen.
Not obvious: nothing here sleeps to synchronise. Between two looks at a condition the harness lets the broker's threads run; the number of
looks is bounded by `GIVE_UP_AFTER_S`.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict, Unpack

from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, Lease, QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.inspecting import Missing, QueueInfo, StoredTask
from asynq_compat.ports.maintaining import Duty
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.testing.conformance.traits import BrokerTraits
from asynq_compat.testing.conformance.worker import GIVE_UP_AFTER_S, Worker
from asynq_compat.wire.message import TaskMessage, decode_message, encode_message
from asynq_compat.wire.unique import unique_key

# Go's lease, and how far a lost one must be over before it is recovered.
LEASE_S = 30
RECOVERY_S = 60
# A worker's heartbeats come more often than its lease is long; time passes in steps of this size while a worker lives.
_HEARTBEAT_S = 5.0
_LOOK_AGAIN_S = 0.002


class TaskFields(TypedDict, total=False):
    """What a scenario may say about a task; the rest is as a client without options would have it.

    Attributes:
        in_s: Seconds from now at which it becomes pending; left out: at once.
    """

    payload: bytes | None
    task_id: str
    queue: str
    in_s: int
    unique_ttl_s: int
    retry: int
    retention: int
    group: str
    headers: Mapping[str, str]


class QueueHarness:
    """A broker, its clock and one queue that nobody else uses.

    Args:
        broker: Opened with `clock`.
        clock: The broker's time.
        traits: The lawful differences it shows.
        abandon: Make a worker silent as a crash does: it renews nothing and gives nothing back. None: it is silent by itself when
            nobody calls `extend`.
        let_pass: Tell a broker that has a second time of its own how many seconds have passed on `clock`.
    """

    def __init__(
        self,
        broker: Broker,
        clock: VirtualClock,
        traits: BrokerTraits,
        *,
        abandon: Callable[[Intake], None] | None = None,
        let_pass: Callable[[float], None] | None = None,
    ) -> None:
        self.broker = broker
        self.clock = clock
        self.traits = traits
        self.queue = f"q{uuid.uuid4().hex[:12]}"
        self._abandon = abandon
        self._let_pass = let_pass
        self._workers: list[Worker] = []

    # Enqueueing.

    def request(self, type_name: str = "job", **fields: Unpack[TaskFields]) -> EnqueueRequest:
        """Build a request."""
        queue = fields.get("queue", self.queue)
        payload = fields.get("payload", b"")
        unique_ttl_s = fields.get("unique_ttl_s", 0)
        message = TaskMessage(
            type=type_name,
            payload=payload,
            id=fields.get("task_id") or str(uuid.uuid4()),
            queue=queue,
            retry=fields.get("retry", 25),
            timeout=1800,
            unique_key=unique_key(queue, type_name, payload) if unique_ttl_s else "",
            retention=fields.get("retention", 0),
            group_key=fields.get("group", ""),
            headers=fields.get("headers"),
        )
        return EnqueueRequest(
            queue,
            message.id,
            encode_message(message),
            process_at=self.clock.now_s() + fields["in_s"] if "in_s" in fields else None,
            group=message.group_key,
            unique_key=message.unique_key,
            unique_ttl_s=unique_ttl_s,
            has_chosen_id=bool(fields.get("task_id")),
        )

    def send(self, request: EnqueueRequest) -> EnqueueOutcome:
        """Enqueue one request and return its outcome."""
        (outcome,) = self.broker.producing.enqueue([request])
        return outcome

    def try_enqueue(self, type_name: str = "job", **fields: Unpack[TaskFields]) -> EnqueueOutcome:
        """Enqueue one task and return its outcome."""
        return self.send(self.request(type_name, **fields))

    def enqueue(self, type_name: str = "job", **fields: Unpack[TaskFields]) -> str:
        """Enqueue one task, which must succeed, and return its id."""
        request = self.request(type_name, **fields)
        outcome = self.send(request)
        assert outcome is EnqueueStatus.ENQUEUED, outcome
        return request.task_id

    def enqueue_many(self, count: int) -> list[str]:
        """Enqueue `count` tasks in one call and return their ids in order."""
        requests = [self.request(payload=b"%d" % number) for number in range(count)]
        outcomes = self.broker.producing.enqueue(requests)
        assert list(outcomes) == [EnqueueStatus.ENQUEUED] * count, outcomes
        return [request.task_id for request in requests]

    # Working.

    def worker(self, capacity: int = 10, *, queues: Mapping[str, int] | None = None, strict: bool = False) -> Worker:
        """Open a worker on this queue, or on `queues` with their priorities."""
        order = QueueOrder(weights=queues or {self.queue: 1}, strict=strict)
        worker = Worker(self.broker.consuming.open_intake(order, capacity, str(uuid.uuid4())))
        self._workers.append(worker)
        return worker

    def crash(self, worker: Worker) -> None:
        """From now on the worker is heard of no more."""
        worker.is_alive = False
        if self._abandon is not None:
            self._abandon(worker.intake)

    def lose(self, worker: Worker) -> Worker:
        """Crash the worker and let time pass until its lease is over; return another one that lives."""
        survivor = self.worker(capacity=1)
        worker.heartbeat()  # Tells what it has started.
        self.crash(worker)
        self.pass_s(RECOVERY_S + 10)
        return survivor

    def recover_as_retry(self, task_id: str, *, delay_s: float = 3600) -> None:
        """Wait until the lost task is given to the recoverer, and settle it as failed."""
        found: list[Lease] = []

        def is_given() -> bool:
            found[:] = [lease for lease in self.expired() if lease.task_id == task_id]
            return bool(found)

        self.wait_until(
            is_given, f"task {task_id} to be recovered", lambda: self.broker.inspecting.task(self.queue, task_id)
        )
        settlement = Settlement(found[0], SettleKind.RETRY, delay_s, "lease expired")
        assert list(self.broker.maintaining.settle_expired([settlement])) == [SettleOutcome.SETTLED]

    def finish(self, task_id: str = "", *, retention: int = 3600) -> str:
        """Enqueue a task that is kept, and complete it; return its id."""
        task_id = self.enqueue(task_id=task_id, retention=retention)
        self.with_worker(lambda worker: worker.complete(*worker.take(1)))
        return task_id

    def fail(self, task_id: str = "", *, delay_s: int = 3600) -> str:
        """Enqueue a task and let it fail once; return its id."""
        task_id = self.enqueue(task_id=task_id)
        self.with_worker(lambda worker: worker.retry(worker.take_one(), delay_s=delay_s))
        return task_id

    def bury(self, task_id: str = "") -> str:
        """Enqueue a task and let it fail for good; return its id."""
        task_id = self.enqueue(task_id=task_id)
        self.with_worker(lambda worker: worker.archive(worker.take_one()))
        return task_id

    def with_worker(self, work: Callable[[Worker], object]) -> None:
        """Open a worker with one slot, let it work, and close it."""
        worker = self.worker(capacity=1)
        work(worker)
        worker.intake.close()
        self._workers.remove(worker)

    # Looking.

    def task(self, task_id: str) -> StoredTask:
        """Return a task that must be there."""
        found = self.broker.inspecting.task(self.queue, task_id)
        assert isinstance(found, StoredTask), f"{task_id}: missing {found}"
        return found

    def message(self, task_id: str) -> TaskMessage:
        """Return the decoded message of a task that must be there."""
        return decode_message(self.task(task_id).message)

    def state(self, task_id: str) -> TaskState | Missing:
        """Return a task's state, or what is missing."""
        found = self.broker.inspecting.task(self.queue, task_id)
        return found if isinstance(found, Missing) else found.state

    def stats(self) -> QueueInfo:
        """Return the counts of the queue, which must be there."""
        stats = self.broker.inspecting.queue_stats(self.queue)
        assert stats is not None, f"no queue {self.queue}"
        return stats

    def listed(self, state: TaskState, *, start: int = 0, count: int | None = None) -> list[str]:
        """Return the ids of the tasks in `state`, in the broker's order."""
        tasks = self.broker.inspecting.list_tasks(self.queue, state, start=start, count=count)
        assert tasks is not None, f"no queue {self.queue}"
        return [decode_message(task.message).id for task in tasks]

    def are(self, found: Sequence[str], ids: Sequence[str]) -> bool:
        """Return whether `found` are these, one behind the other where the queue is one order."""
        return list(found) == list(ids) if self.traits.is_one_order else sorted(found) == sorted(ids)

    def grouped(self, group: str, *, start: int = 0, count: int | None = None) -> list[str]:
        """Return the ids of the tasks that wait in a group, in the broker's order."""
        tasks = self.broker.inspecting.list_group(self.queue, group, start=start, count=count)
        assert tasks is not None, f"no queue {self.queue}"
        return [decode_message(task.message).id for task in tasks]

    def groups(self) -> list[tuple[str, int]]:
        """Return the groups of the queue with their sizes."""
        return list(self.broker.inspecting.groups(self.queue))

    def is_listed_as_orphaned(self, task_id: str) -> bool:
        """Return whether the list of active tasks says that nobody has this one any more."""
        tasks = self.broker.inspecting.list_tasks(self.queue, TaskState.ACTIVE, start=0, count=None) or ()
        return any(task.is_orphaned for task in tasks if decode_message(task.message).id == task_id)

    # Time.

    def pass_s(self, seconds: float) -> None:
        """Let time pass: living workers renew, and whoever keeps the queue's time hears of it."""
        left_s = seconds
        while left_s > 0:
            step_s = min(left_s, _HEARTBEAT_S) if self._workers else left_s
            self.clock.advance_s(step_s)
            if self._let_pass is not None:
                self._let_pass(step_s)
            left_s -= step_s
            for worker in self._workers:
                if worker.is_alive:
                    worker.heartbeat()
            self.broker.inspecting.queue_stats(self.queue)

    def do_duties(self) -> None:
        """Run once what this broker leaves to the engine, but for recovery, which asks the user's retry function."""
        if Duty.FORWARD in self.broker.duties:
            self.broker.maintaining.forward_due([self.queue])
        if Duty.EXPIRE_COMPLETED in self.broker.duties:
            self.broker.maintaining.delete_expired_completed([self.queue], 100)
        self.broker.maintaining.reclaim_sets([self.queue])

    def wait_until(self, condition: Callable[[], bool], what: str, seen: Callable[[], object] = lambda: "") -> None:
        """Return when `condition` holds.

        Raises:
            AssertionError: It did not within `GIVE_UP_AFTER_S`; the message says `what` was awaited and what was `seen`.
        """
        deadline_s = time.monotonic() + GIVE_UP_AFTER_S
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline_s, f"not within {GIVE_UP_AFTER_S:g} s: {what}; seen: {seen()}"
            pause.wait(_LOOK_AGAIN_S)

    def wait_for_state(self, task_id: str, state: TaskState | Missing) -> None:
        """Return when the task is in `state`; the duties that this broker leaves to the engine are run meanwhile."""

        def has_come() -> bool:
            self.do_duties()
            return self.state(task_id) is state

        self.wait_until(has_come, f"task {task_id} {state}", lambda: self.state(task_id))

    def expired(self) -> Sequence[Lease]:
        """Return what the recoverer would be given now."""
        return self.broker.maintaining.expired_leases([self.queue])

    def close(self) -> None:
        """Close the workers that are left; the broker is its owner's."""
        for worker in self._workers:
            worker.intake.close()
        self._workers.clear()
