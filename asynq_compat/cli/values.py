"""What can be written at the command line for a name, a duration, an instant or a state?

Contract: parameter types of click; what is refused is named, with what to write.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import click

from asynq_compat.rules.cron.go_parsing import parse_duration_ns
from asynq_compat.rules.limits import is_blank, is_utf8

_F = TypeVar("_F", bound=Callable[..., object])


class NameType(click.ParamType[str]):
    """A name of a queue, task or group, or an id: a text that is not blank."""

    name = "NAME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is."""
        text = str(value)
        if is_blank(text) or not is_utf8(text):
            self.fail(f"{text!r} is no name: it is blank, or no text in UTF-8", param, ctx)
        return text


class DurationType(click.ParamType[timedelta]):
    """A duration in Go's form."""

    name = "DURATION"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration."""
        if isinstance(value, timedelta):
            return value
        try:
            return timedelta(microseconds=parse_duration_ns(str(value)) / 1000)
        except ValueError:
            self.fail(
                f"{str(value)!r} is no duration of less than 292 years; write a number with its unit: 300ms, 45s, 1h30m",
                param,
                ctx,
            )


class InstantType(click.ParamType[datetime]):
    """An instant in the form of RFC 3339."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant."""
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail(f"{str(value)!r} is no time with its offset; write 2026-01-31T08:00:00Z", param, ctx)
        return instant


NAME = NameType()
DURATION = DurationType()
INSTANT = InstantType()


def queues_argument(command: _F) -> _F:
    """Give a command the queues that it has to be told, one or more."""
    return click.argument("queues", metavar="QUEUE...", nargs=-1, required=True, type=NAME)(command)


def queue_option(command: _F) -> _F:
    """Give a command the queue that it has to be told."""
    return click.option("--queue", "-q", type=NAME, required=True, help="The queue.")(command)


def group_option(command: _F) -> _F:
    """Give a command the group whose aggregating tasks it is about; see `check_group`."""
    return click.option("--group", "-g", type=NAME, help="Whose tasks, with --state aggregating.")(command)


def check_group(state: str, group: str | None) -> None:
    """Make sure that a group is named where the tasks are aggregating, and only there.

    Raises:
        UsageError: It is not so.
    """
    if state == "aggregating" and group is None:
        raise click.UsageError("of aggregating tasks one group is taken; add --group", click.get_current_context())
    if state != "aggregating" and group is not None:
        raise click.UsageError(f"{state} tasks are in no group; leave out --group", click.get_current_context())


def task_id_option(command: _F) -> _F:
    """Give a command the task that it has to be told."""
    return click.option("--id", "-i", "task_id", type=NAME, required=True, help="The task's id.")(command)


def page_options(command: _F) -> _F:
    """Give a command the page that it shows."""
    command = click.option("--size", type=click.IntRange(1, 10_000), default=30, help="How many a page has: 30.")(
        command
    )
    return click.option("--page", type=click.IntRange(1, 2**31 - 1), default=1, help="Which page, from 1.")(command)
