"""How does a worker process tell its server what became of tasks?

Contract: stands where the settler and the broker stand in a server of one process. `add` may be called by any thread and costs no lock. A
thread that has run out of work tells what has gathered itself (`turn_over`); what others leave is told by a thread of its own.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import NoReturn

from asynq_compat.engine.processes.between import messages
from asynq_compat.engine.processes.between.outcomes import Failure, Timed, Told, error_of, nothing_of, told_of
from asynq_compat.ports.consuming import Ended, Lease, Settlement

_IDLE_S = 60.0
# What the process ends with that cannot tell what became of tasks.
_SPEECHLESS = 1


class Reporter:
    """A worker's way to its server."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()  # One message at a time.
        self._added: deque[Ended | Told] = deque()
        self._timed: deque[Timed] = deque()
        self._has_added = threading.Event()
        self._is_woken = False
        self._is_stopping = False
        self._numbers = itertools.count()
        self._writes: dict[int, deque[tuple[int | None, Failure | None]]] = {}
        self._written = threading.Condition()  # Guards the answers to writes.
        self._thread = threading.Thread(target=self._run, name="asynq-reporter", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what is left and end."""
        self._is_stopping = True
        self._has_added.set()
        self._thread.join()
        self._tell()

    def send(self, *message: object) -> None:
        """Send one message."""
        data = messages.packed(message)
        with self._sending:
            self._connection.sendall(data)

    def add(self, ended: Ended) -> None:
        """Have the server settle a task."""
        self._added.append(ended)
        self._wake()

    def drop(self, lease: Lease) -> None:
        """Have the server write nothing about a task; its place is free."""
        self._added.append(nothing_of(lease))
        self._wake()

    def handled(self, queue: str, task_type: str, duration_s: float, count: int) -> None:
        """Have the server's metrics told how long a handler took; with what is told next."""
        self._timed.append((queue, task_type, duration_s, count))

    def turn_over(self) -> Sequence[Lease]:
        """Tell what has gathered: the caller's thread has nothing more to do. Tasks come by themselves."""
        self._tell()
        return ()

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Have the server store a result; return its length."""
        number = next(self._numbers)
        answer: deque[tuple[int | None, Failure | None]] = deque()
        self._writes[number] = answer
        self.send(messages.WRITE, number, lease.index, result)
        with self._written:
            self._written.wait_for(lambda: answer)
        length, failure = answer[0]
        if failure is not None:
            raise error_of(failure)
        assert length is not None
        return length

    def written(self, number: int, length: int | None, failure: Failure | None) -> None:
        """The server has answered a write."""
        with self._written:
            self._writes.pop(number).append((length, failure))
            self._written.notify_all()

    def _wake(self) -> None:
        # Behind the append: the thread clears the flag before it looks, so one of the two sees the other.
        if not self._is_woken:
            self._is_woken = True
            self._has_added.set()

    def _run(self) -> None:
        while not self._is_stopping:
            self._has_added.wait(_IDLE_S)
            self._has_added.clear()
            self._is_woken = False
            self._tell()

    def _tell(self) -> None:
        try:
            self._tell_what_has_gathered()
        except OSError:
            raise  # The server is gone.
        except BaseException as error:  # noqa: BLE001 - whatever it is, such as no memory: its outcomes are known to nobody
            _end_speechless(error)

    def _tell_what_has_gathered(self) -> None:
        done = list[int]()
        others = list[Told]()
        try:
            while True:
                ended = self._added.popleft()
                if isinstance(ended, Lease):
                    done.append(ended.index)
                else:
                    others.append(told_of(ended) if isinstance(ended, Settlement) else ended)
        except IndexError:
            if done or others:
                timed = [self._timed.popleft() for _ in range(len(self._timed))]
                self.send(messages.ENDED, done, others, timed)


def _end_speechless(error: BaseException) -> NoReturn:
    """End this process, which cannot say what became of its tasks: its server lets them fail, and makes another one."""
    try:
        text = f"asynq_compat: worker process {os.getpid()} cannot tell its server what became of tasks ({type(error).__name__}), and ends\n"
        os.write(2, text.encode())
    finally:
        os._exit(_SPEECHLESS)
