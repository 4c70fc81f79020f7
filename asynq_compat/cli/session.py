"""Which broker does a command ask, and what does the one who waits see?

Contract: the broker is opened at the first question and closed with the command. What is said at the command line wins over the environment.
Who only looks makes no file. Progress goes to stderr, and only to a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asynq_compat.cli.connection import chosen_target, said_with
from asynq_compat.connect import choose, claim, default_path, open_broker
from asynq_compat.connect.checks import checked_path
from asynq_compat.errors import InvalidArgumentError, UnsupportedByBroker
from asynq_compat.targets import EmbeddedOpt, RedisClusterClientOpt, Target
from asynq_compat.targets.local import DefaultFile

if TYPE_CHECKING:
    from asynq_compat.client import Client
    from asynq_compat.inspector import Inspector
    from asynq_compat.ports.broker import Broker
    from asynq_compat.ports.history import History, Progress


class Session:
    """What all commands share: the options that say where the tasks are."""

    def __init__(self, connection: Mapping[str, object]) -> None:
        self._connection = connection

    def target(self, *, makes_file: bool) -> Target:
        """Return where the tasks are.

        Raises:
            InvalidArgumentError: It is not clear, or it is a file that does not exist and is not to be made.
        """
        given = chosen_target(self._connection)
        target, _ = choose(given, {} if given is not None else os.environ)
        if isinstance(target, EmbeddedOpt) and not makes_file:
            _refuse_a_missing_file(target)
        return target

    @property
    def is_cluster(self) -> bool:
        """Whether the tasks are in a Redis cluster."""
        return isinstance(self.target(makes_file=False), RedisClusterClientOpt)

    def claimed_target(self) -> Target | None:
        """Return where this process's tasks are, for who runs user code: what is said at the command line holds for that code too.

        Raises:
            InvalidArgumentError: It is not clear.
        """
        given = chosen_target(self._connection)
        self.target(makes_file=True)
        if given is not None:
            claim(given, said_with(self._connection))
        return None if isinstance(given, str) else given

    @contextmanager
    def broker(self) -> Iterator[Broker]:
        """Open the broker to look at it, or to change what is there."""
        broker = open_broker(self.target(makes_file=False), environment={})
        try:
            yield broker
        finally:
            broker.close()

    @contextmanager
    def inspector(self) -> Iterator[Inspector]:
        """Open the broker; give an inspector of it."""
        from asynq_compat.inspector import Inspector

        with self.broker() as broker:
            yield Inspector(broker)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Open the broker; give a client of it. A file is made where there is none."""
        from asynq_compat.client import Client

        broker = open_broker(self.target(makes_file=True), environment={})
        try:
            with Client(broker) as client:
                yield client
        finally:
            broker.close()

    @contextmanager
    def history(self) -> Iterator[History]:
        """Open the broker; give its history.

        Raises:
            InvalidArgumentError: The file does not exist.
            UnsupportedByBroker: It keeps none.
            AsynqError: It cannot be opened.
        """
        with self.broker() as broker:
            if broker.history is None:
                raise UnsupportedByBroker(
                    f"only journals have a history, {broker.address} keeps none; use a redpanda:// or sqlite:/// broker"
                )
            yield broker.history

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show how far something long has come, if somebody sees it."""
        if not sys.stderr.isatty():
            yield _nobody_looks
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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
