"""Which broker does a command ask, and what does the one who waits see?

Contract: the broker is opened at the first question and closed with the command. Progress goes to stderr, and only to a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asynq_compat.connect import open_broker
from asynq_compat.connect.checks import checked_path
from asynq_compat.connect.opening import choose, default_path
from asynq_compat.errors import InvalidArgumentError, UnsupportedByBroker
from asynq_compat.ports import history as port
from asynq_compat.targets import EmbeddedOpt
from asynq_compat.targets.local import DefaultFile


class Session:
    """What all commands share."""

    def __init__(self, url: str | None) -> None:
        self._url = url

    @contextmanager
    def history(self) -> Iterator[port.History]:
        """Open the broker; give its history.

        Raises:
            InvalidArgumentError: The file does not exist.
            UnsupportedByBroker: It keeps none.
            AsynqError: It cannot be opened.
        """
        # What is said at the command line wins over the environment.
        target, _ = choose(self._url or None, {} if self._url else os.environ)
        if isinstance(target, EmbeddedOpt):
            _refuse_a_missing_file(target)
        broker = open_broker(target, environment={})
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


def _refuse_a_missing_file(target: EmbeddedOpt) -> None:
    """A program makes the file that it is told; who only looks has mistyped it."""
    is_default = target.path is DefaultFile.OF_THE_USER
    path = default_path(os.environ) if is_default else checked_path(target.path)
    if not os.path.exists(path):
        raise InvalidArgumentError(f"{path} does not exist; name the file that your programs use")


def _nobody_looks(done: int, total: int) -> None:
    del done, total
