"""Who hears what all worker processes say?

Contract: one thread for all; it calls `received` with each message, `gone` once when a worker's socket has ended, `turned` behind all that
came at once, and that at least once a second. `watch` and `wake` may be called by any thread.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable

from asynq_compat.engine.processes.between.messages import Message
from asynq_compat.engine.processes.worker import Worker
from asynq_compat.engine.service import THREAD_PREFIX

_TURN_S = 1.0


class Listener:
    """The thread that hears workers."""

    def __init__(
        self,
        received: Callable[[Worker, Message], object],
        gone: Callable[[Worker], object],
        turned: Callable[[], float | None],
        log: logging.Logger,
    ) -> None:
        """`turned` returns how many seconds later it wants to be called at the latest; None: the usual."""
        self._received = received
        self._gone = gone
        self._turned = turned
        self._log = log
        self._stops = False
        self._new: deque[Worker] = deque()
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._watched: dict[Worker, int] = {}  # With the events that are waited for.
        self._thread = threading.Thread(target=self._run, name=f"{THREAD_PREFIX}crew", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def watch(self, worker: Worker) -> None:
        """Listen to a worker too."""
        self._new.append(worker)
        self.wake()

    def wake(self) -> None:
        """Have the thread turn round."""
        with contextlib.suppress(OSError):  # Full: it will wake; closed: it has ended.
            self._waker.send(b"\0")

    def stop(self) -> None:
        """End the thread and wait for it. Legal once it was started."""
        self._stops = True
        self.wake()
        if self._thread is not threading.current_thread():
            self._thread.join()
            self._selector.close()
            self._woken.close()
            self._waker.close()

    def _run(self) -> None:
        wait_s: float | None = None
        while not self._stops:
            try:
                self._turn(_TURN_S if wait_s is None else min(max(wait_s, 0.0), _TURN_S))
                wait_s = self._turned()
            except Exception:  # noqa: BLE001 - the thread that everything hangs on
                self._log.exception("what a worker process said could not be dealt with; the server goes on")

    def _turn(self, wait_s: float) -> None:
        while self._new:
            worker = self._new.popleft()
            self._watched[worker] = selectors.EVENT_READ
            self._selector.register(worker.connection, selectors.EVENT_READ, worker)
        for worker, events in self._watched.items():
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.wants_to_send else 0)
            if wanted != events:
                self._watched[worker] = wanted
                self._selector.modify(worker.connection, wanted, worker)
        for key, events in self._selector.select(wait_s):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
                continue
            if events & selectors.EVENT_WRITE:
                key.data.flush()
            if events & selectors.EVENT_READ:
                self._hear(key.data)

    def _hear(self, worker: Worker) -> None:
        data = worker.receive()
        if data:
            for message in worker.inbox.feed(data):
                try:
                    self._received(worker, message)
                except Exception:  # noqa: BLE001 - what came behind it is heard all the same
                    self._log.exception("what a worker process said could not be dealt with; the server goes on")
        elif data is not None:
            self._selector.unregister(worker.connection)
            del self._watched[worker]
            self._gone(worker)
