"""Which broker does a command ask, and what does the one who waits see?

Contract: the broker is opened at the first question and closed with the command. Progress goes to stderr, and only to a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asynq_compat.connect import open_broker
from asynq_compat.errors import UnsupportedByBroker
from asynq_compat.ports import history as port


class Session:
    """What all commands share."""

    def __init__(self, url: str | None) -> None:
        self._url = url

    @contextmanager
    def history(self) -> Iterator[port.History]:
        """Open the broker; give its history.

        Raises:
            UnsupportedByBroker: It keeps none.
            AsynqError: It cannot be opened.
        """
        # What is said at the command line wins over the environment.
        broker = open_broker(self._url, environment={}) if self._url else open_broker()
        try:
            if broker.history is None:
                raise UnsupportedByBroker(
                    f"only journals have a history, {broker.address} keeps none; use a redpanda:// or sqlite:/// broker"
                )
            yield broker.history
        finally:
            broker.close()

    @contextmanager
    def progress(self, what: str) -> Iterator[port.Progress]:
        """Show how far a long reading has come, if somebody sees it."""
        if not sys.stderr.isatty():
            yield _nobody_looks
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task(what, total=None)
            yield lambda done, total: shown.update(task, completed=done, total=total)


def _nobody_looks(done: int, total: int) -> None:
    del done, total
