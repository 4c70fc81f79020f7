"""How is the live view begun?

Contract: textual is imported here alone, when the view is begun; where it is not installed the extra is named.
"""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from asynq_compat.cli.session import Session
from asynq_compat.cli.values import DURATION
from asynq_compat.errors import InvalidArgumentError

_SHORTEST = timedelta(seconds=1)


@click.command()
@click.option("--refresh", type=DURATION, default="8s", help="How often it looks again, at least 1s: 8s.")
@click.pass_obj
def dash(session: Session, *, refresh: timedelta) -> None:
    """Show queues and tasks in the terminal, and look again every few seconds.

    Keys: arrows or hjkl move, Enter opens, n and p turn pages, Esc or q goes back, Ctrl+L looks again at once, ? shows them all.

    \b
    Examples:
      asynq-compat dash
      asynq-compat --broker redis://localhost:6379 dash --refresh 2s
    """
    if refresh < _SHORTEST:
        raise InvalidArgumentError(f"--refresh must be at least 1s, got {refresh.total_seconds():g}s")
    try:
        from asynq_compat.cli.dash.app import Dash
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise InvalidArgumentError("dash needs the package textual; pip install 'asynq-compat[dash]'") from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidArgumentError("dash needs a terminal; asynq-compat stats --json is for programs")
    with session.inspector() as inspector:
        Dash(inspector, refresh.total_seconds()).run()
