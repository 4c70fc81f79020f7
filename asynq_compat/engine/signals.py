"""How does a program that runs until it is told to stop hear that?

Contract: signals are heard while inside `heard`, on the main thread; off it none can be, and `end` is what `next` waits for. What the
signals did before is put back. Who signals once more is told what is being waited for; nothing ends sooner.
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

    Args:
        log: Where its words go.
        at_second: What is being waited for, for who signals once more.

    Attributes:
        is_told_to_end: A signal was heard that is not the one to stop for a while.
    """

    def __init__(self, log: logging.Logger, at_second: str) -> None:
        self._log = log
        self._at_second = at_second
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
            if number != _SIGTSTP:
                if self.is_told_to_end:
                    self._log.info("Already shutting down: %s", self._at_second)
                self.is_told_to_end = True
            self._heard.put(number)

        before = {number: signal.signal(number, hear) for number in wanted if number is not None}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
