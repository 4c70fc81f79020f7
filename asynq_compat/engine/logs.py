"""Where do a server's log lines go, and how many of its tasks' failures are among them?

Contract: to the standard library's logger "asynq_compat", as all of the package's, unless the configuration names another for the
server. Only where nobody has configured logging is a handler added to it, once: stderr, in Go's format, from the configured level on.
`FailureLines` lists the first failures of every ten seconds and counts the others: a queue whose tasks all fail fills no disk.
Not obvious: with logging configured and no `log_level` given, the level is logging's affair.
Source: asynq v0.26.0 `internal/log`; docs/semantics.md, "lifecycle, logging".
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from asynq_compat.logger import Logger, LogLevel

FAILURES_PERIOD_S = 10.0
FAILURES_LISTED_MAX = 100
_LEVEL_WORDS = {logging.WARNING: "WARN", logging.CRITICAL: "FATAL"}


class Logging(Protocol):
    """What a configuration says about logging."""

    @property
    def logger(self) -> logging.Logger | Logger | None:
        """Takes the lines; None: the package's."""

    @property
    def log_level(self) -> LogLevel | None:
        """From which on; None: as logging is configured."""


class GoFormatter(logging.Formatter):
    """``asynq: pid=42 2026/01/02 15:04:05.000000 INFO: text``, in UTC."""

    def __init__(self) -> None:
        super().__init__("asynq: pid=%(process)d %(asctime)s %(word)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback below it where there is one."""
        record.word = _LEVEL_WORDS.get(record.levelno, record.levelname)
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the instant with microseconds."""
        del datefmt
        return time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(record.created)) + f".{int(record.created % 1 * 1e6):06d}"


class _GoLoggerHandler(logging.Handler):
    """Hands lines to an object with Go's five methods."""

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._method(record.levelno)(self.format(record))
        except Exception:  # noqa: BLE001 - the user's code: what logs must not fail for it
            self.handleError(record)

    def _method(self, level: int) -> Callable[[str], object]:
        if level >= logging.ERROR:
            return self._logger.error
        if level >= logging.WARNING:
            return self._logger.warn
        return self._logger.info if level >= logging.INFO else self._logger.debug


def server_logger(config: Logging) -> logging.Logger:
    """Return the logger of a server, or a scheduler, with this configuration, ready for use."""
    level = config.log_level
    if config.logger is None:
        log = logging.getLogger("asynq_compat")
        _show(log, level)
        return log
    if isinstance(config.logger, logging.Logger):
        log = config.logger
    else:
        log = logging.Logger("asynq_compat")  # noqa: LOG001 - one server's own, not to be found by its name
        log.addHandler(_GoLoggerHandler(config.logger))
        level = level or LogLevel.INFO
    if level is not None:
        log.setLevel(level.as_logging())
    return log


def _show(log: logging.Logger, level: LogLevel | None) -> None:
    """Have a logger's lines seen where logging is not configured, and from `level` on where one is asked for."""
    if not log.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(GoFormatter())
        log.addHandler(handler)
        level = level or LogLevel.INFO
    if level is not None:
        log.setLevel(level.as_logging())


class FailureLines:
    """The failures that nobody else is told of. Any thread.

    Args:
        log: Takes the lines.
        monotonic_s: The clock.
    """

    def __init__(self, log: logging.Logger, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()  # Guards the rest.
        self._ends_s = 0.0
        self._seen_count = 0  # In the ten seconds that end then.

    def is_listed(self) -> bool:
        """Note a failure; return whether the log is to hold a line about it."""
        now_s = self._monotonic_s()
        held_count = 0
        with self._lock:
            if now_s >= self._ends_s:
                held_count = self._seen_count - FAILURES_LISTED_MAX
                self._ends_s, self._seen_count = now_s + FAILURES_PERIOD_S, 0
            self._seen_count += 1
            seen_count = self._seen_count
        self._tell(held_count)
        if seen_count == FAILURES_LISTED_MAX + 1:
            self._log.warning(
                "more than %d tasks failed within %d s; the next ones are counted",
                FAILURES_LISTED_MAX,
                int(FAILURES_PERIOD_S),
            )
        return seen_count <= FAILURES_LISTED_MAX

    def end(self) -> None:
        """Tell of what was not listed. Legal twice."""
        with self._lock:
            held_count = self._seen_count - FAILURES_LISTED_MAX
            self._seen_count = 0
        self._tell(held_count)

    def _tell(self, held_count: int) -> None:
        if held_count > 0:
            self._log.warning("%d more tasks failed", held_count)
