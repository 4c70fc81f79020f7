"""What becomes of a command that is given names, where one of them is wrong?

Contract: the others are done nevertheless, in their order; each failure is a line on stderr, and the exit code is not 0 if there was any. An
outage ends the command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from asynq_compat.cli.output import report
from asynq_compat.errors import (
    AsynqError,
    BrokerUnavailableError,
    InvalidArgumentError,
    QueueNotFoundError,
    TaskNotFoundError,
)
from asynq_compat.rules.go_text import go_quoted

_T = TypeVar("_T")


class Each:
    """Does the same with each of several names; `end` says with which code the command ends."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._code = 0

    def do(self, names: Iterable[str], act: Callable[[str], _T]) -> list[_T]:
        """Return what `act` gives for the names with which it works."""
        given: list[_T] = []
        for name in dict.fromkeys(names):
            try:
                given.append(act(name))
            except BrokerUnavailableError:
                raise
            except AsynqError as error:
                report(type(error).__name__, str(error), as_json=self._as_json)
                self._code = max(self._code, 2 if isinstance(error, InvalidArgumentError) else 1)
        return given

    def end(self) -> None:
        """End the command, where something failed."""
        if self._code:
            raise click.exceptions.Exit(self._code)


@contextmanager
def about(queue: str, task_id: str = "") -> Iterator[None]:
    """Name the queue and the task in the error that says that one of them is missing: Go's texts do not."""
    try:
        yield
    except QueueNotFoundError as error:
        raise QueueNotFoundError(
            f"there is no queue {go_quoted(queue)}; asynq-compat queue ls shows those that are there"
        ) from error
    except TaskNotFoundError as error:
        raise TaskNotFoundError(f"there is no task {go_quoted(task_id)} in queue {go_quoted(queue)}") from error
