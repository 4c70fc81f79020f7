"""What can be changed about one task?"""

from __future__ import annotations

import click

from asynq_compat.cli.asking import confirm, yes_option
from asynq_compat.cli.each import about
from asynq_compat.cli.output import print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import NAME, queue_option, task_id_option
from asynq_compat.rules.go_text import go_quoted


@click.command()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True, type=NAME)
@click.pass_obj
def cancel(session: Session, *, task_ids: tuple[str, ...]) -> None:
    """Ask the workers that run tasks to stop.

    Nobody may be listening: whether a task runs, and where, is not looked for.

    \b
    Examples:
      asynq-compat task cancel 7f3c2f6e-...
    """
    with session.inspector() as inspector:
        for task_id in dict.fromkeys(task_ids):
            inspector.cancel_processing(task_id)
            print_text(f"Sent cancelation signal for task {task_id}")


@click.command()
@queue_option
@task_id_option
@click.pass_obj
def archive(session: Session, *, queue: str, task_id: str) -> None:
    """Move a task to the archive; `task run` brings it back.

    \b
    Examples:
      asynq-compat task archive --queue default --id 7f3c2f6e-...
    """
    with session.inspector() as inspector, about(queue, task_id):
        inspector.archive_task(queue, task_id)
    print_text("task archived")


@click.command()
@queue_option
@task_id_option
@yes_option
@click.pass_obj
def delete(session: Session, *, queue: str, task_id: str, yes: bool) -> None:
    """Delete a task for good.

    \b
    Examples:
      asynq-compat task delete --queue default --id 7f3c2f6e-...
      asynq-compat task rm -q default -i order-17 --yes
    """
    with session.inspector() as inspector, about(queue, task_id):
        if not yes:
            info = inspector.get_task_info(queue, task_id)
            confirm(f"Delete task {go_quoted(task_id)}, type {info.type}, {info.state}, for good?", yes=yes)
        inspector.delete_task(queue, task_id)
    print_text("task deleted")


@click.command()
@queue_option
@task_id_option
@click.pass_obj
def run(session: Session, *, queue: str, task_id: str) -> None:
    """Make a task that waits, or is archived or completed, pending now.

    \b
    Examples:
      asynq-compat task run --queue default --id 7f3c2f6e-...
    """
    with session.inspector() as inspector, about(queue, task_id):
        inspector.run_task(queue, task_id)
    print_text("task is now pending")
