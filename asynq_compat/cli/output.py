"""How does an answer look, to people and to programs?

Contract: with ``--json`` an answer is one JSON value (a line an entry for what goes on); instants are ISO 8601 in UTC, durations seconds.
Without, text for people, plain where it is no terminal.
Not obvious: rich is imported by the first table; `report` needs none of it.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

_F = TypeVar("_F", bound=Callable[..., object])
# Where it is no terminal nobody wants lines broken at 80 columns.
_WIDTH_OF_A_FILE = 240
_ERROR_CHARACTERS_MAX = 1_000
_ERROR_END_CHARACTERS = 300


def json_option(command: _F) -> _F:
    """Give a command its ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")(command)


def print_json(value: object) -> None:
    """Print one value on one line."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case _ if dataclasses.is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")


def when(instant: datetime | None) -> str:
    """Return an instant for people, in UTC to the millisecond."""
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03d}Z"


def span(duration: timedelta | None) -> str:
    """Return a duration for people."""
    return "-" if duration is None else f"{duration.total_seconds():.3f} s"


def console() -> Console:
    """Return where answers for people go."""
    from rich.console import Console

    class Answers(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # `main` knows what to do; rich would exit with 1.

    return Answers(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def print_text(text: str) -> None:
    """Print a line as it is."""
    click.echo(text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without frames."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console().print(table)


def report(name: str, message: str, *, as_json: bool) -> None:
    """Print an error, called `name`, on stderr: one line, a JSON object with `as_json`."""
    text = " ".join(message.split())
    if len(text) > _ERROR_CHARACTERS_MAX:  # Somebody's name is no name; what to do stands at the end.
        text = f"{text[:_ERROR_END_CHARACTERS]} … {text[-_ERROR_END_CHARACTERS:]}"
    click.echo(json.dumps({"error": name, "message": text}) if as_json else f"asynq-compat: {text}", err=True)
