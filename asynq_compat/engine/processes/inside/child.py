"""What does a worker process do?

Contract: runs what its server gives it, on a loop thread and a pool of its own, with the rules of a server of one process (engine.runner);
tells outcomes; ends when it is told to, and at once when its server is gone, whatever it is doing. The main thread reads what the
server says. Ctrl-C and SIGTERM reach the whole group or service: the server alone acts on them.
Not obvious: signals get handlers that do nothing, and are not ignored: ignored ones stay so in programs that a handler runs. A process that a
handler forks has all of this in its memory; it cannot speak to the server, and ends where it comes back from the handler.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import mmap
import os
import select
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from asynq_compat.config import Config
from asynq_compat.engine.collector import Collector
from asynq_compat.engine.processes.between import logs, messages
from asynq_compat.engine.processes.between.deaf import SIGNALS
from asynq_compat.engine.processes.between.marks import GivenLease, opened
from asynq_compat.engine.processes.between.program import FUNCTIONS, unpack_program
from asynq_compat.engine.processes.inside.reporter import Reporter
from asynq_compat.engine.run import Run
from asynq_compat.engine.runner import Runner
from asynq_compat.ports.system_clock import SystemClock

_READ_BYTES = 1 << 18
# What the process ends with when its server is gone.
_ORPHANED = 1
_CAME_BACK = 1


def main(socket_fd: int, life_fd: int, marks_fd: int) -> None:
    """Work until the server says that it is over, or is gone."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # Blocked by the server for the time until here.
    for descriptor in (socket_fd, life_fd, marks_fd):
        os.set_inheritable(descriptor, False)
    _end_with(life_fd)
    connection = socket.socket(fileno=socket_fd)
    inbox = messages.Inbox()
    first = None
    while first is None:
        first = next(inbox.feed(_received(connection)), None)
    settings: dict[str, Any] = first[1]
    sys.argv = settings["argv"]
    worker = _Worker(connection, settings, opened(marks_fd, settings["slots"]))
    if worker.begin():
        worker.listen(inbox)
    connection.close()


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(_READ_BYTES)
    if not data:
        os._exit(_ORPHANED)
    return data


def _end_with(life_fd: int) -> None:
    """Have the kernel end this process when its server ends: no thread of ours need run for it. Elsewhere the socket's end tells."""
    with contextlib.suppress(AttributeError, OSError):
        fcntl.fcntl(life_fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(life_fd, fcntl.F_SETSIG, signal.SIGKILL)  # type: ignore[attr-defined, unused-ignore]  # Linux
        fcntl.fcntl(life_fd, fcntl.F_SETFL, fcntl.fcntl(life_fd, fcntl.F_GETFL) | os.O_ASYNC)
    ended = select.poll()  # Takes any descriptor.
    ended.register(life_fd, select.POLLIN)
    if ended.poll(0):  # It ended before the kernel was asked to tell; no import of the program is begun.
        os._exit(_ORPHANED)


class _OfACopy(set[Run]):
    """What runs, in a process that a handler has forked: outcomes belong to the original."""

    def remove(self, run: Run) -> NoReturn:
        """The copy has come back from the handler, whatever that gave."""
        text = (
            f"asynq_compat: process {os.getpid()}, which the handler of task id={run.lease.task_id} forked, came back from that handler and is "
            "ended; let it end with os._exit, or use subprocess or multiprocessing\n"
        )
        with contextlib.suppress(OSError):
            os.write(2, text.encode("utf-8", "replace"))
        os._exit(_CAME_BACK)


class _Worker:
    """Runs tasks for a server."""

    def __init__(self, connection: socket.socket, settings: dict[str, Any], marks: mmap.mmap) -> None:
        self._connection = connection
        self._settings = settings
        self._marks = marks
        self._reporter = Reporter(connection)
        self._has_ended = False
        self._log = logging.Logger("asynq_compat", settings["level"])  # noqa: LOG001 - stands for the server's, wherever that is
        self._log.addHandler(logs.Forwarder(self._send_record, logs.SERVER))

    def _send_record(self, fields: logs.Fields) -> None:
        with contextlib.suppress(OSError):  # The end: nobody listens any more.
            self._reporter.send(messages.LOG, fields)

    def begin(self) -> bool:
        """Import the program and get ready; return whether tasks can be run."""
        settings = self._settings
        collector = Collector()
        try:
            handler, *functions = unpack_program(settings["program"], settings["main"])
        except BaseException as error:  # noqa: BLE001 - the user's modules: whatever they raise, the server has to know
            self._log.error("a worker process cannot import the program", exc_info=error)
            with contextlib.suppress(OSError):
                self._reporter.send(messages.UNFIT, f"{type(error).__name__}: {error}")
            return False
        logs.send_all(self._send_record, settings["levels"])
        config = Config(concurrency=settings["slots"], **dict(zip(FUNCTIONS, functions, strict=True)))
        timing = self._reporter if settings["measures"] else None
        self._runner = Runner(handler, config, self._reporter, self._reporter, SystemClock(), self._log, timing)
        os.register_at_fork(after_in_child=self._fall_silent)
        self._reporter.start()
        self._runner.start_threads()
        collector.freeze()
        try:
            self._reporter.send(messages.READY)
        except OSError:  # The server has ended meanwhile.
            os._exit(_ORPHANED)
        return True

    def _fall_silent(self) -> None:
        """In a process that a handler has forked."""
        self._connection.close()
        self._runner.attempts.running = _OfACopy()

    def listen(self, inbox: messages.Inbox) -> None:
        """Do what the server says."""
        while True:
            data = self._connection.recv(_READ_BYTES)
            if not data:
                if self._has_ended:
                    return
                os._exit(_ORPHANED)
            for message in inbox.feed(data):
                self._do(message)

    def _do(self, message: messages.Message) -> None:
        match message[0]:
            case messages.TASKS:
                marks = self._marks
                self._runner.start(
                    [
                        GivenLease(queue, task_id, data, place, marks)
                        for place, queue, task_id, data in zip(*message[1:], strict=True)
                    ]
                )
            case messages.CANCEL:
                self._runner.attempts.cancel(message[1])
            case messages.LOST:
                for run in self._runner.attempts.unsettled():
                    if run.lease.index == message[1]:
                        self._runner.attempts.lease_lost(run)
            case messages.WRITTEN:
                self._reporter.written(*message[1:])
            case messages.PING:
                self._reporter.send(messages.PONG)
            case messages.END:
                threading.Thread(target=self._end, name="asynq-shutdown", daemon=True).start()

    def _end(self) -> None:
        """Hand back what runs and have the main thread end. It goes on reading meanwhile: a handler may wait for an answer."""
        try:
            self._runner.attempts.drain(0)
            self._runner.stop_threads()
            self._reporter.stop()
        finally:
            self._has_ended = True
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
