"""Where does a server write what happens, and how much of it?

Contract: five levels, Go's numbers. What is written and in which form is `engine.logs`.
Source: asynq v0.26.0 `Logger`, `LogLevel`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol, TypeVar

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.limits import shown

_LEVEL_CHARACTERS_MAX = 80
_LEVELS = "debug, info, warn, error or fatal"
_L = TypeVar("_L")

# `fatal` is Go's too; nothing of ours ends the process.
_CALLED = ("debug", "info", "warn", "error")


class Logger(Protocol):
    """Five levels of text, as Go's Logger has them. A `logging.Logger` may stand in its place."""

    def debug(self, text: str, /) -> object:
        """Log for developers."""

    def info(self, text: str, /) -> object:
        """Log what an operator would note."""

    def warn(self, text: str, /) -> object:
        """Log what an operator may have to act on."""

    def error(self, text: str, /) -> object:
        """Log what went wrong."""

    def fatal(self, text: str, /) -> object:
        """Log what ends the process."""


class LogLevel(IntEnum):
    """From which level on lines are logged; the values are Go's."""

    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
    FATAL = 5

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> LogLevel:
        """Return the level named by `text`, in any case; ``warning`` is ``warn`` (Go: LogLevel.Set).

        Raises:
            InvalidArgumentError: No level has this name.
        """
        word = _lower(text)
        for level in cls:
            if word == str(level) or (word == "warning" and level is cls.WARN):
                return level
        raise InvalidArgumentError(f"asynq: unsupported log level {_level_shown(text)}; use {_LEVELS}")

    def as_logging(self) -> int:
        """Return the level's number in the standard library's logging."""
        return int(self) * 10


# Go's names of the levels.
DebugLevel, InfoLevel, WarnLevel = LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN
ErrorLevel, FatalLevel = LogLevel.ERROR, LogLevel.FATAL


def level_of(level: object) -> LogLevel | None:
    """Return the level that an option means: a LogLevel, its number or its name; None where it says nothing (None, 0).

    Raises:
        InvalidArgumentError: It is no level.
    """
    if level is None or (level == 0 and not isinstance(level, bool)):
        return None
    if isinstance(level, str):
        return LogLevel.parse(level)
    if isinstance(level, bool) or not isinstance(level, int):
        raise InvalidArgumentError(
            f"log_level must be a LogLevel, its number or its name, got {shown(level)}; use {_LEVELS}"
        )
    try:
        return LogLevel(level)
    except ValueError:
        raise InvalidArgumentError(f"asynq: unexpected log level: {shown(level)}; use 1 (debug) to 5 (fatal)") from None


def check_logger(logger: _L) -> _L:
    """Return `logger`.

    Raises:
        InvalidArgumentError: It is no logger: it lacks one of the methods that are called.
    """
    lacking = [] if logger is None else [name for name in _CALLED if not callable(getattr(logger, name, None))]
    if lacking:
        raise InvalidArgumentError(
            f"logger must be a logging.Logger or have {', '.join(_CALLED)}, got {shown(logger)} without {lacking[0]}"
        )
    return logger


def _lower(text: object) -> str:
    return text.lower() if isinstance(text, str) else ""


def _level_shown(level: object) -> str:
    return go_quoted(level) if isinstance(level, str) and len(level) <= _LEVEL_CHARACTERS_MAX else shown(level)
