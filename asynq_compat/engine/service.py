"""What does everything that runs in the background of a server have in common?

Contract: `start`, `stop` and `run_once`. Stopping twice, or before the start, is legal; `stop` returns when the thread has ended.
`run_once` does the duty once on the caller's thread and returns the seconds to wait before the next time: tests call it.
An error in it is logged and the duty goes on.
"""

from __future__ import annotations

import abc
import logging
import threading

from asynq_compat.engine.outages import Outages

# What the names of all threads of a server begin with.
THREAD_PREFIX = "asynq-"
# After an error that no duty expected.
_WAIT_AFTER_ERROR_S = 1.0


class Service(abc.ABC):
    """One duty on one thread, named ``asynq-<duty>``."""

    def __init__(
        self, duty: str, log: logging.Logger, *, first_wait_s: float = 0.0, patience_s: float | None = None
    ) -> None:
        self.duty = duty
        self.log = log
        self.outages = Outages(log)
        self.stopping = threading.Event()
        self._first_wait_s = first_wait_s
        self._patience_s = patience_s  # How long `stop` waits; None: as long as it takes.
        self._lock = threading.Lock()  # Held while the thread starts: `stop` may come meanwhile.
        self._thread: threading.Thread | None = None

    @abc.abstractmethod
    def run_once(self) -> float:
        """Do the duty; return how many seconds to wait before the next time."""

    def start(self) -> None:
        """Run the duty until `stop`."""
        with self._lock:
            if self._thread is None and not self.stopping.is_set():
                thread = threading.Thread(target=self._run, name=THREAD_PREFIX + self.duty, daemon=True)
                thread.start()
                self._thread = thread

    def stop(self) -> None:
        """End the duty and wait for it."""
        with self._lock:
            if self._thread is not None and not self.stopping.is_set():
                self.log.debug("%s shutting down...", self.duty.capitalize())
            self.stopping.set()
        self.interrupt()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._patience_s)

    @property
    def is_running(self) -> bool:
        """Whether its thread has not ended, where that is not the caller's own."""
        thread = self._thread
        return thread is not None and thread is not threading.current_thread() and thread.is_alive()

    def interrupt(self) -> None:
        """Make a blocking `run_once` return; `stopping` is set before."""
        return  # Most duties do not block.

    def finish(self) -> None:
        """Do what is left to do when the duty ends; runs on its thread."""
        return  # Most duties leave nothing.

    def _run(self) -> None:
        wait_s = self._first_wait_s
        while not self.stopping.wait(wait_s) if wait_s > 0 else not self.stopping.is_set():
            try:
                wait_s = self.run_once()
            except BaseException:
                self.log.exception("%s failed; it goes on", self.duty)
                wait_s = _WAIT_AFTER_ERROR_S
        try:
            self.finish()
        except BaseException:
            self.log.exception("%s could not finish", self.duty)
        self.log.debug("%s done", self.duty.capitalize())
