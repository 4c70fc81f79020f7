"""How do producers and workers go on when a Redis is lost under load, and what became of each task?

Contract: `Load` enqueues from two threads and runs a server, until it is stopped; the ledger then says which acknowledged tasks were neither
handled nor are still held. A task that a worker had when its Redis went may be active with nobody: a recoverer's, minutes later.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self

import asynq_compat as asynq
from tests.services.waiting import wait_until

WITHIN_S = 60.0
_BATCH = 5
_PRODUCERS = 2


class Load:
    """Producers and a worker on `target`, over several queues."""

    def __init__(self, target: str, queues: tuple[str, ...] = ("default",)) -> None:
        self._target = target
        self._queues = queues
        self._lock = threading.Lock()  # Guards what follows.
        self._acked: set[str] = set()
        self._handled: set[str] = set()
        self.errors: list[str] = []
        self._is_over = threading.Event()
        self._has_ended = False
        self._threads = [threading.Thread(target=self._produce, name=f"producer-{n}") for n in range(_PRODUCERS)]
        self._server = asynq.Server(target, asynq.Config(concurrency=10, queues=dict.fromkeys(queues, 1)))

    def _handle(self, ctx: asynq.Context, task: asynq.Task) -> None:
        with self._lock:
            self._handled.add((task.payload or b"").decode())

    def _produce(self) -> None:
        with asynq.Client(self._target) as client:
            while not self._is_over.wait(0.002):
                names = [str(uuid.uuid4()) for _ in range(_BATCH)]
                items = [
                    (asynq.Task("t", name.encode()), asynq.Queue(self._queues[at % len(self._queues)]))
                    for at, name in enumerate(names)
                ]
                try:
                    results = client.enqueue_many(items)
                except asynq.BrokerUnavailableError as error:
                    self.errors.append(str(error))
                    continue
                with self._lock:
                    for name, result in zip(names, results, strict=True):
                        if isinstance(result, asynq.AsynqError):
                            self.errors.append(str(result))
                        else:
                            self._acked.add(name)

    @property
    def acked(self) -> frozenset[str]:
        """What a client was told is stored."""
        with self._lock:
            return frozenset(self._acked)

    @property
    def handled(self) -> frozenset[str]:
        """What a handler saw."""
        with self._lock:
            return frozenset(self._handled)

    def goes_on(self, count: int = 200) -> None:
        """Wait until this many more tasks are acknowledged from now on, and as many more handled."""
        before, done = self.acked, self.handled
        wait_until(lambda: len(self.acked - before) >= count, f"{count} tasks more to be taken in", WITHIN_S)
        wait_until(lambda: len(self.handled - done) >= count, f"{count} tasks more to be handled", WITHIN_S)

    def missing(self) -> frozenset[str]:
        """Stop the producers, let the worker finish, end it, and return what was acknowledged and is nowhere."""
        self._end_producers()
        with asynq.Inspector(self._target) as inspector:
            wait_until(
                lambda: all(inspector.get_queue_info(queue).pending == 0 for queue in self._queues),
                "nothing to be pending",
                WITHIN_S,
            )
            self._end_server()
            held = {
                (task.payload or b"").decode()
                for queue in self._queues
                for task in inspector.list_active_tasks(queue, page_size=10_000)
            }
        return self.acked - self.handled - held

    def _end_server(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._server.shutdown()

    def _end_producers(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(WITHIN_S)
                assert not thread.is_alive(), f"{thread.name} hangs"

    def __enter__(self) -> Self:
        self._server.start(self._handle)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_producers()
        self._end_server()


def in_child(act: Callable[[], object]) -> int:
    """Do something in a forked child; return its exit code, 0 where nothing was raised."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
