"""What happened to a task?"""

from __future__ import annotations

import sys

import click

from asynq_compat.cli.output import json_option, print_json, print_table, print_text, span, when
from asynq_compat.cli.session import Session
from asynq_compat.errors import TaskNotFoundError
from asynq_compat.ports.history import TaskHistory
from asynq_compat.rules.go_text import go_quoted


@click.command()
@click.argument("task_id")
@click.option("--queue", metavar="QUEUE", help="Look in this queue alone; otherwise all are searched.")
@json_option
@click.pass_obj
def history(session: Session, *, task_id: str, queue: str | None, as_json: bool) -> None:
    """Tell what happened to a task: who enqueued it, which servers had it, how each attempt ended.

    Also of tasks that are finished and gone, as far back as the journal reaches.

    \b
    Examples:
      asynq-compat history 7f3c2f6e-...
      asynq-compat history order-17 --queue critical --json
    """
    with session.history() as past, session.progress("reading") as progress:
        found = past.history(task_id, queue, progress)
    if not found:
        where = f"queue {go_quoted(queue)}" if queue else "any queue"
        raise TaskNotFoundError(
            f"no journal tells of a task {go_quoted(task_id)} in {where}, as far back as it reaches"
        )
    if as_json:
        print_json(found)
    else:
        for one in found:
            _print(one)
    sys.stdout.flush()


def _print(one: TaskHistory) -> None:
    print_text(f"task {one.task_id}, type {one.type or '?'}, queue {one.queue}: {one.state or 'gone'}")
    if one.cut_before is not None:
        print_text(f"The journal was cut before position {one.cut_before}: what happened earlier is not known.")
    print_table(
        ("position", "at", "what", "server", "writer", ""),
        [
            (
                str(event.position),
                when(event.at),
                event.change.value,
                event.server,
                event.writer[:8],
                event.error or (f"until {when(event.due_at)}" if event.due_at else ""),
            )
            for event in one.events
        ],
    )
    if one.attempts:
        print_text("")
        print_table(
            ("attempt", "server", "given", "started", "ended", "lasted", "outcome", "error"),
            [
                (
                    str(attempt.number),
                    attempt.server,
                    when(attempt.given_at),
                    when(attempt.started_at),
                    when(attempt.ended_at),
                    span(attempt.duration),
                    attempt.outcome.value if attempt.outcome else "under way",
                    attempt.error,
                )
                for attempt in one.attempts
            ],
        )
