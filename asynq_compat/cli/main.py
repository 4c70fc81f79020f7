"""What does `asynq-compat` do?

Contract: an error is one line on stderr, a JSON object with ``--json``; exit code 2 for wrong usage, 1 for everything else. A traceback
only with ``--debug``. Who stops reading (``| head -1``) ends a command in silence, with the code that a shell gives to one that SIGPIPE ended.
Not obvious: only click is imported here, so that ``--help`` and completion answer at once; a command imports what it needs (`lazy`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

import asynq_compat
from asynq_compat.cli.connection import connection_options
from asynq_compat.cli.lazy import LazyGroup, Place
from asynq_compat.errors import AsynqError, InvalidArgumentError

# What a shell says of a process that SIGPIPE ended. In Python it ends none: a socket that breaks would, too.
_CLOSED_PIPE = 128 + 13

PLACES = {
    "stats": Place("verbs.stats", "stats", "Show how many tasks there are, by state and by queue."),
    "queue": Place("verbs.queue", "queue", "Look at queues, pause and remove them.", ("queues",)),
    "task": Place("verbs.task", "task", "Look at tasks, enqueue, run, archive, delete and cancel them.", ("tasks",)),
    "group": Place("verbs.group", "group", "Look at the groups in which tasks wait to be aggregated.", ("groups",)),
    "server": Place("verbs.server", "server", "Look at the servers that live.", ("servers",)),
    "cron": Place("verbs.cron", "cron", "Look at periodic tasks and what was enqueued for them."),
    "dash": Place("dash.command", "dash", "Show queues and tasks in the terminal, and look again every few seconds."),
    "worker": Place("running.worker", "worker", "Run tasks with the handler that stands at MODULE:NAME."),
    "doctor": Place("verbs.doctor", "doctor", "Look whether the broker, and what it holds, is as it should be."),
    "scheduler": Place("running.scheduler", "scheduler", "Enqueue the periodic tasks that stand at MODULE:NAME."),
    "metrics": Place("running.metrics", "metrics", "Tell Prometheus of all queues."),
    "version": Place("verbs.version", "version", "Show which version this is."),
    "history": Place("past.history", "history", "Tell what happened to a task."),
    "journal": Place("past.journal", "journal", "Look into the journal of a queue (redpanda://, sqlite:///)."),
    "completion": Place("completion", "completion", "Print what a shell needs to complete commands."),
}


class _Root(LazyGroup):
    """All commands. Of a closed pipe click would make exit code 1 before `main` hears of it."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _heard():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _heard():
            return super().invoke(ctx)


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(_CLOSED_PIPE) from None


@click.group(
    cls=_Root, places=PLACES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@connection_options
@click.version_option(asynq_compat.__version__, prog_name="asynq-compat")
@click.pass_context
def cli(context: click.Context, /, **connection: object) -> None:
    """Look at queues and tasks, change them, and run workers.

    \b
    Examples:
      asynq-compat --broker redis://localhost:6379 stats
      asynq-compat --broker sqlite:///tasks.db task ls --queue default --state retry
      ASYNQ_COMPAT_BROKER=redpanda://localhost:9092 asynq-compat journal describe default
    """
    if context.resilient_parsing:
        return
    from asynq_compat.cli.session import Session

    del connection  # What is said behind the command is added to the context's.
    context.obj = Session(context.params)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (the process's own when left out) and exit."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        code = _CLOSED_PIPE
    if code == _CLOSED_PIPE:
        _discard_what_is_left()
    sys.exit(code)


def _discard_what_is_left() -> None:
    """Let what nobody reads go nowhere: at its end Python would complain that it cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # Where it is no file, or closed.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(given: Sequence[str]) -> int:
    """Run a command line; return its exit code.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    try:
        result = cli.main(given, prog_name="asynq-compat", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as over:
        return over.exit_code
    except click.Abort:
        return 130
    except click.exceptions.NoArgsIsHelpError as bare:
        bare.show()
        return bare.exit_code
    except click.ClickException as wrong:
        _report_usage(wrong, as_json="--json" in given)
        return wrong.exit_code
    except AsynqError as error:
        if "--debug" in given:
            raise
        from asynq_compat.cli.output import report

        report(type(error).__name__, str(error), as_json="--json" in given)
        return 2 if isinstance(error, InvalidArgumentError) else 1


def _report_usage(wrong: click.ClickException, *, as_json: bool) -> None:
    """Say in one line what is wrong and where help is."""
    from asynq_compat.cli.output import report

    context = wrong.ctx if isinstance(wrong, click.UsageError) else None
    text = wrong.format_message().removesuffix(".")
    report("UsageError", f"{text}; see {context.command_path} --help" if context else text, as_json=as_json)
