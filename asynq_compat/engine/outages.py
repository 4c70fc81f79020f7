"""What does a duty say while its broker is away?

Contract: thread-safe. What fails for want of an answer is told at once, then once a minute with how long it has lasted, and once more when it
succeeds again. What fails for another reason is told each time. Nothing is raised but what is no `AsynqError`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asynq_compat.errors import AsynqError, BrokerUnavailableError

TELL_EVERY_S = 60.0


class Outages:
    """The outages that one duty has met.

    Args:
        log: Takes the lines.
        monotonic_s: Tells the time; tests give one.
    """

    def __init__(self, log: logging.Logger, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()  # Guards the next one.
        self._since: dict[str, tuple[float, float]] = {}  # By what fails: since when, and when it was told last.

    @contextmanager
    def told(self, what: str, level: int = logging.ERROR) -> Iterator[None]:
        """Tell of an `AsynqError` raised inside, and go on behind it; `what` is how the line begins."""
        try:
            yield
        except AsynqError as error:
            self.failed(what, error, level)
        else:
            self.over(what)

    def failed(self, what: str, error: Exception, level: int = logging.ERROR) -> None:
        """Tell of a failure, unless it is an outage of which was told within the last minute."""
        if not isinstance(error, BrokerUnavailableError):
            self._log.log(level, "%s: %s", what, error)
            return
        now_s = self._monotonic_s()
        with self._lock:
            since_s, told_s = self._since.get(what, (now_s, None))
            is_silent = told_s is not None and now_s - told_s < TELL_EVERY_S
            if not is_silent:
                self._since[what] = since_s, now_s
        if told_s is None:
            self._log.log(level, "%s: %s", what, error)
        elif not is_silent:
            self._log.log(level, "%s, for %.0f s now: %s", what, now_s - since_s, error)

    def over(self, what: str) -> None:
        """Note that it succeeds; tell so if it did not before."""
        if not self._since:
            return  # Nearly always.
        with self._lock:
            since_s, _ = self._since.pop(what, (None, None))
        if since_s is not None:
            self._log.info("Over after %.1f s: %s", self._monotonic_s() - since_s, what)
