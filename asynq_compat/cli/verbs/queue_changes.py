"""What can be changed about queues?"""

from __future__ import annotations

import click

from asynq_compat.cli.asking import confirm, yes_option
from asynq_compat.cli.each import Each, about
from asynq_compat.cli.output import print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import queues_argument
from asynq_compat.errors import QueueNotEmptyError, QueueStateError
from asynq_compat.rules.go_text import go_quoted


@click.command()
@queues_argument
@click.pass_obj
def pause(session: Session, *, queues: tuple[str, ...]) -> None:
    """Stop giving out tasks of queues; what runs goes on.

    \b
    Examples:
      asynq-compat queue pause low
    """
    each = Each()
    with session.inspector() as inspector:

        def stop(name: str) -> None:
            with about(name):
                inspector.get_queue_info(name)
            inspector.pause_queue(name)
            print_text(f"Successfully paused queue {go_quoted(name)}")

        each.do(queues, stop)
    each.end()


@click.command()
@queues_argument
@click.pass_obj
def resume(session: Session, *, queues: tuple[str, ...]) -> None:
    """Give out tasks of paused queues again.

    \b
    Examples:
      asynq-compat queue resume low
    """
    each = Each()
    with session.inspector() as inspector:

        def go_on(name: str) -> None:
            try:
                inspector.unpause_queue(name)
            except QueueStateError:
                with about(name):  # One that is not there is not paused either.
                    inspector.get_queue_info(name)
                raise
            print_text(f"Successfully unpaused queue {go_quoted(name)}")

        each.do(queues, go_on)
    each.end()


@click.command()
@queues_argument
@click.option("--force", "-f", is_flag=True, help="Even if there are tasks in it, which are deleted.")
@yes_option
@click.pass_obj
def remove(session: Session, *, queues: tuple[str, ...], force: bool, yes: bool) -> None:
    """Remove queues for good.

    \b
    Examples:
      asynq-compat queue remove old
      asynq-compat queue rm old older --force --yes
    """
    each = Each()
    with session.inspector() as inspector:

        def take_away(name: str) -> None:
            with about(name):
                size = inspector.get_queue_info(name).size
                confirm(f"Remove queue {go_quoted(name)} with {size} tasks for good?", yes=yes)
                try:
                    with session.progress(f"removing {name}") as progress:
                        inspector.delete_queue(name, force=force, progress=lambda done: progress(done, size))
                except QueueNotEmptyError as error:
                    raise QueueNotEmptyError(
                        f"queue {go_quoted(name)} has {size} tasks; --force deletes them with it"
                    ) from error
            print_text(f"Successfully removed queue {go_quoted(name)}")

        each.do(queues, take_away)
    each.end()
