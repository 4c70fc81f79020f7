"""How do these tests enqueue and work on tasks?

Contract: small factories over the ports, on journals in memory with names of their own.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, Lease, QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.message import TaskMessage, encode_message

PATIENCE_S = 60.0


def memory_broker(name: str = "", *, clock: Clock | None = None) -> Broker:
    """Open a broker on journals in memory; equal names share them, as processes share a file. It asks nobody for replies."""
    store_name = name or uuid.uuid4().hex
    if clock is None:
        return open_journal(MemoryJournalStore(store_name), replica=True)
    now_ns = clock.now_ns
    store = MemoryJournalStore(store_name, now_ms=lambda: now_ns() // 1_000_000)
    return open_journal(store, clock=clock, idle_s=0.01, replica=True)


def request(
    queue: str = "default",
    *,
    task_id: str = "",
    payload: bytes = b"x",
    process_at: int | None = None,
    unique_key: str = "",
    group: str = "",
) -> EnqueueRequest:
    """Make a request for one task."""
    message = TaskMessage(
        type="job",
        payload=payload,
        id=task_id or str(uuid.uuid4()),
        queue=queue,
        retry=25,
        timeout=1800,
        unique_key=unique_key,
        group_key=group,
    )
    return EnqueueRequest(
        queue,
        message.id,
        encode_message(message),
        process_at=process_at,
        group=group,
        unique_key=unique_key,
        unique_ttl_s=60 if unique_key else 0,
        has_chosen_id=bool(task_id),
    )


def enqueue(broker: Broker, count: int = 1, queue: str = "default") -> list[str]:
    """Enqueue plain tasks and return their ids."""
    requests = [request(queue) for _ in range(count)]
    outcomes: list[EnqueueOutcome] = list(broker.producing.enqueue(requests))
    assert all(outcome.name == "ENQUEUED" for outcome in outcomes if not isinstance(outcome, Exception)), outcomes
    return [one.task_id for one in requests]


def open_intake(broker: Broker, capacity: int = 10, **weights: int) -> Intake:
    """Open an intake on queues with these weights, or on the default queue."""
    order = QueueOrder(weights=weights or {"default": 1})
    return broker.consuming.open_intake(order, capacity, str(uuid.uuid4()))


def take(intake: Intake, count: int) -> list[Lease]:
    """Take exactly `count` tasks and mark them as started."""
    leases: list[Lease] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(leases) < count:
        assert time.monotonic() < deadline, f"{len(leases)} of {count} tasks came within {PATIENCE_S:g} s"
        leases += intake.take(0.1)
    for lease in leases:
        lease.has_started = True
    return leases


def settle(intake: Intake, leases: list[Lease], kind: SettleKind = SettleKind.DONE) -> set[SettleOutcome]:
    """Settle all alike and return the distinct outcomes."""
    return set(intake.settle([Settlement(lease, kind, error_msg="why") for lease in leases], len(leases)))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return when `condition` holds, or fail."""
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        pause.wait(0.002)
