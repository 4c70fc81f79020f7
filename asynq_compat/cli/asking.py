"""Is a change wanted that nobody can take back?

Contract: who sits at a terminal is asked; where there is none, or ``--json`` is wanted, ``--yes`` has to be said, and nothing is changed
without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., object])


def yes_option(command: _F) -> _F:
    """Give a command its ``--yes``."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)


def confirm(question: str, *, yes: bool, as_json: bool = False) -> None:
    """Return when it is wanted; end the command with exit code 1 when it is not.

    Raises:
        UsageError: There is nobody to ask.
    """
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise click.UsageError(
            "this cannot be taken back, and nobody is there to ask; add --yes", click.get_current_context()
        )
    if not click.confirm(question, err=True):
        click.echo("nothing was changed", err=True)
        raise click.exceptions.Exit(1)
