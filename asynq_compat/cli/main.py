"""What does `asynq-compat` do?

Contract: an error is one line on stderr, a JSON object with ``--json``; exit code 2 for wrong usage, 1 for everything else. A traceback
only with ``--debug``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

import asynq_compat
from asynq_compat.cli.history import history
from asynq_compat.cli.journal import journal
from asynq_compat.cli.output import report
from asynq_compat.cli.session import Session
from asynq_compat.cli.versions import activate
from asynq_compat.connect import VARIABLE
from asynq_compat.errors import AsynqError, InvalidArgumentError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--broker", metavar="URL", help=f"redpanda://, sqlite:/// or redis://; default: the environment's {VARIABLE}."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback where something fails.")
@click.version_option(asynq_compat.__version__, prog_name="asynq-compat")
@click.pass_context
def cli(context: click.Context, *, broker: str | None) -> None:
    """Look at queues, and at what happened to their tasks.

    \b
    Examples:
      asynq-compat --broker sqlite:///tasks.db history 7f3c...
      ASYNQ_COMPAT_BROKER=redpanda://localhost:9092 asynq-compat journal describe default
    """
    context.obj = Session(broker)


cli.add_command(history)
journal.add_command(activate)
cli.add_command(journal)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (the process's own when left out) and exit."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = cli.main(given, prog_name="asynq-compat", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.Exit as over:
        sys.exit(over.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # Whoever read the output has gone; Python would complain again at exit.
        sys.exit(1)
    except AsynqError as error:
        if "--debug" in given:
            raise
        report(error, as_json="--json" in given)
        sys.exit(2 if isinstance(error, InvalidArgumentError) else 1)
