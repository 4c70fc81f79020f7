"""Which tasks are there, and what is known about one?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from asynq_compat.cli.each import about
from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.listing import COLUMNS, Column, described, listed
from asynq_compat.cli.output import json_option, print_json, print_table, print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import check_group, group_option, page_options, queue_option, task_id_option
from asynq_compat.cli.verbs.bulk import archiveall, deleteall, runall
from asynq_compat.cli.verbs.enqueue import enqueue
from asynq_compat.cli.verbs.task_changes import archive, cancel, delete, run
from asynq_compat.cli.views import bytes_text, task_json
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.task import TaskInfo


@click.group(cls=AliasedGroup)
def task() -> None:
    """Look at tasks, enqueue, run, archive, delete and cancel them."""


@task.command("ls")
@queue_option
@click.option("--state", "-s", type=click.Choice(tuple(COLUMNS)), required=True, help="Their state.")
@group_option
@page_options
@json_option
@click.pass_obj
def list_tasks(
    session: Session, *, queue: str, state: str, group: str | None, page: int, size: int, as_json: bool
) -> None:
    """List the tasks of a queue that are in one state, a page at a time.

    \b
    Examples:
      asynq-compat task ls --queue default --state pending
      asynq-compat task ls -q critical -s retry --page 2 --size 100 --json
      asynq-compat task ls -q default -s aggregating --group user:7
    """
    check_group(state, group)
    with session.inspector() as inspector, about(queue):
        infos = listed(inspector, queue, state, page, size, group=group)
    if as_json:
        print_json([task_json(info) for info in infos])
    elif infos:
        _print_list(COLUMNS[state], infos)
    else:
        where = f"group {go_quoted(group)}" if group else f"{go_quoted(queue)} queue"
        print_text(f"No {state} tasks in {where}" + (f" on page {page}" if page > 1 else ""))


@task.command()
@queue_option
@task_id_option
@json_option
@click.pass_obj
def inspect(session: Session, *, queue: str, task_id: str, as_json: bool) -> None:
    """Show what is known about a task.

    \b
    Examples:
      asynq-compat task inspect --queue default --id 7f3c2f6e-...
      asynq-compat task inspect -q default -i order-17 --json
    """
    with session.inspector() as inspector, about(queue, task_id):
        info = inspector.get_task_info(queue, task_id)
    if as_json:
        print_json(task_json(info))
    else:
        for name, text in described(info, datetime.now(UTC)):
            print_text(f"{name + ':':<19}{text}")


def _print_list(columns: Sequence[Column], infos: Sequence[TaskInfo]) -> None:
    now = datetime.now(UTC)
    print_table(
        ("ID", "Type", "Payload", *(heading for heading, _ in columns)),
        [(info.id, info.type, bytes_text(info.payload), *(cell(info, now) for _, cell in columns)) for info in infos],
    )


for _command in (cancel, archive, delete, run, enqueue, archiveall, deleteall, runall):
    task.add_command(_command)
task.alias("ls", "list")
task.alias("delete", "remove", "rm")
