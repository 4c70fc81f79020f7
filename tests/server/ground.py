"""What do tests of a running server stand on? A broker, and ways to look at it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.session import LEASE_S
from asynq_compat.config import Config
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.inspecting import Missing, StoredTask
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.servemux import Handler
from asynq_compat.server import Server
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage, decode_message, encode_message

# What is waited for comes within a second or two; on a machine that is busy with something else it takes as long as it takes.
PATIENCE_S = 60.0


def wait_until(condition: Callable[[], object], what: Callable[[], object] | str) -> None:
    """Wait for `condition`; on failure say `what` was seen."""
    give_up_at = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < give_up_at, f"waited in vain: {what() if callable(what) else what}"
        pause.wait(0.005)


def pass_time(clock: VirtualClock, seconds: int, server: Server, *, step_s: int = 5) -> None:
    """Let time pass at the pace at which a server on a journal renews its lease, however slow the machine is."""
    for _ in range(0, seconds, step_s):
        clock.advance_s(step_s)
        wait_until(lambda: _has_renewed(server, clock), "the server has not renewed its lease")


def _has_renewed(server: Server, clock: VirtualClock) -> bool:
    """Return whether its sessions hold for half of a lease: they are renewed after eight seconds of thirty."""
    intake = server._engine and server._engine._intake
    assert isinstance(intake, JournalIntake)
    with intake._membership.lock:
        sessions = [seat.session for seat in intake._membership.seats.values()]
        holds_until_s = clock.monotonic_s() + LEASE_S / 2
        return all(one.is_open and (one.is_idle or one.term.valid_until_s > holds_until_s) for one in sessions)


class Ground:
    """One broker under test."""

    def __init__(self, broker: Broker, url: str) -> None:
        self.broker = broker
        self.url = url

    def enqueue(
        self, type_name: str = "t", payload: bytes | None = None, *, at_s: int | None = None, **fields: Any
    ) -> str:
        """Store a task with these fields of its message, pending or due at a Unix time; return its id."""
        defaults: dict[str, Any] = {"id": str(uuid.uuid4()), "queue": "default", "retry": 25, "timeout": 1800}
        message = TaskMessage(type=type_name, payload=payload, **(defaults | fields))
        request = EnqueueRequest(message.queue, message.id, encode_message(message), process_at=at_s)
        assert list(self.broker.producing.enqueue([request])) == [EnqueueStatus.ENQUEUED]
        return message.id

    def processed(self, queue: str = "default") -> int:
        """Return how many tasks were processed ever."""
        stats = self.broker.inspecting.queue_stats(queue)
        return 0 if stats is None else stats.processed_total

    def stored(self, task_id: str, queue: str = "default") -> StoredTask | Missing:
        """Return the task as the broker holds it."""
        return self.broker.inspecting.task(queue, task_id)

    def message(self, task_id: str) -> TaskMessage:
        """Return the stored message."""
        stored = self.stored(task_id)
        assert isinstance(stored, StoredTask)
        return decode_message(stored.message)

    def state(self, task_id: str) -> TaskState | None:
        """Return the task's state; None when it is gone."""
        stored = self.stored(task_id)
        return stored.state if isinstance(stored, StoredTask) else None

    def wait_for_state(self, task_id: str, state: TaskState | None) -> None:
        """Wait until the task is in `state`; None: gone."""
        wait_until(lambda: self.state(task_id) is state, lambda: f"{task_id} is {self.state(task_id)}, not {state}")

    def cancel_until(self, task_id: str, state: TaskState) -> None:
        """Publish the task's cancellation until it is in `state`: a server subscribes in the background, and nobody may be listening yet."""

        def is_there() -> bool:
            self.broker.signalling.publish_cancelation(task_id)
            return self.state(task_id) is state

        wait_until(is_there, lambda: f"{task_id} is {self.state(task_id)}, not {state}")

    @contextmanager
    def serving(self, handler: Handler, **fields: Any) -> Iterator[Server]:
        """Run a server with this configuration while inside."""
        server = Server(self.broker, Config(**({"concurrency": 4, "shutdown_timeout": 5} | fields)))
        server.start(handler)
        try:
            yield server
        finally:
            server.shutdown()
