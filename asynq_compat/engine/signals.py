"""How does a program that runs until it is told to stop hear that?

Contract: signals are heard while inside `heard`, on the main thread; off it none can be, and `end` is what `next` waits for. What the
signals did before is put back. Later signals are swallowed.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from types import FrameType

# How long a signal that reached another thread may go unnoticed.
_LOOK_S = 0.25
_SIGTSTP = getattr(signal, "SIGTSTP", None)  # Not on Windows.


class Signals:
    """The signals that one server or scheduler waits for.

    Attributes:
        is_told_to_end: A signal was heard that is not the one to stop for a while.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._heard: SimpleQueue[int | None] = SimpleQueue()
        self.is_told_to_end = False

    def next(self) -> int | None:
        """Wait for a signal; None: somebody called `end`."""
        while True:
            # The kernel may hand a signal to any thread; Python's handler runs on this one, once it comes out of a wait.
            with contextlib.suppress(Empty):
                return self._heard.get(timeout=_LOOK_S)

    def end(self) -> None:
        """Make `next` return. Any thread."""
        self._heard.put(None)

    @contextlib.contextmanager
    def heard(self, *wanted: int | None) -> Iterator[None]:
        """Hear these signals while inside; None is one that the system does not have."""
        if threading.current_thread() is not threading.main_thread():
            self._log.debug("run was not called on the main thread: signals are not heard, shutdown ends it")
            yield
            return

        def hear(number: int, frame: FrameType | None) -> None:
            del frame
            self.is_told_to_end = self.is_told_to_end or number != _SIGTSTP
            self._heard.put(number)

        before = {number: signal.signal(number, hear) for number in wanted if number is not None}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
