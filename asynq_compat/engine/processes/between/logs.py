"""How do the log lines of a worker process reach the log of its server?

Contract: a worker's records travel to the server, which handles them as its own: one configuration, one place, the worker's pid. The
server's lines go to the server's logger. What the user's code logs goes to the logger of its name, unless the program's modules
have configured logging in the worker as they were imported: then those lines are the program's affair.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

# What a record is on the way: see `told`.
Fields = tuple[str, int, str, float, int, str, str, int, str, str | None]
# The server's logger has no name here: it may be one of the server's own.
SERVER = ""


class Forwarder(logging.Handler):
    """Sends records."""

    def __init__(self, send: Callable[[Fields], object], name: str | None = None) -> None:
        super().__init__()
        self._send = send
        self._name = name

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            self._send(told(record, record.name if self._name is None else self._name))
        except Exception:  # noqa: BLE001 - what logs must not fail for it
            self.handleError(record)


def told(record: logging.LogRecord, name: str) -> Fields:
    """Return what is sent of a record: exact numbers and texts, since `marshal` takes no class below them."""
    trace = record.exc_text
    if record.exc_info and not trace:
        trace = logging.Formatter().formatException(record.exc_info)
    return (
        _exact(name),
        int(record.levelno),
        _exact(record.getMessage()),
        float(record.created),
        int(record.process or 0),
        _exact(record.threadName or ""),
        _exact(record.pathname),
        int(record.lineno),
        _exact(record.funcName or ""),
        None if trace is None else _exact(trace),
    )


def _exact(text: str) -> str:
    return str.__str__(text)


def handle(fields: Fields, log: logging.Logger) -> None:
    """Log what a worker has sent; `log` is the server's logger. A filter that fails loses its line alone."""
    name, level, text, created, pid, thread, path, line, function, trace = fields
    target = log if name == SERVER else logging.getLogger(name)
    if not target.isEnabledFor(level):
        return
    record = target.makeRecord(target.name, level, path, line, text, (), None, function)
    record.created, record.msecs = created, created % 1 * 1000
    record.process, record.processName, record.threadName = pid, f"worker-{pid}", thread
    record.exc_text = trace
    try:
        target.handle(record)
    except Exception:  # noqa: BLE001 - the user's filters and handlers, which may look for what no line of a worker has
        # As the standard library tells of a handler that fails: on stderr, since what failed is the log.
        logging.Handler().handleError(record)


def levels() -> dict[str, int]:
    """Return the levels that were set in this process, by logger; the root's name is ""."""
    named = {
        name: logger.level
        for name, logger in list(logging.root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and logger.level
    }
    return {"": logging.root.level, **named}


def send_all(send: Callable[[Fields], object], as_in_server: dict[str, int]) -> None:
    """In a worker: have what the user's code logs sent, from the server's levels on, unless logging is configured here."""
    if logging.root.handlers:
        return
    logging.root.addHandler(Forwarder(send))
    for name, level in as_in_server.items():
        logging.getLogger(name or None).setLevel(level)
