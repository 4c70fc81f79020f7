"""Which version is this?"""

from __future__ import annotations

import click

import asynq_compat
from asynq_compat.cli.output import json_option, print_json, print_text


@click.command()
@json_option
def version(*, as_json: bool) -> None:
    """Show which version this is.

    \b
    Examples:
      asynq-compat version
    """
    if as_json:
        print_json({"version": asynq_compat.__version__})
    else:
        print_text(f"asynq-compat, version {asynq_compat.__version__}")
