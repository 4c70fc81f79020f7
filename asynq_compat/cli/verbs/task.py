"""Which tasks are there, and what is known about one?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import click

from asynq_compat.cli.each import about
from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.output import json_option, print_json, print_table, print_text, when
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import page_options, queue_option, task_id_option
from asynq_compat.cli.verbs.enqueue import enqueue
from asynq_compat.cli.verbs.task_changes import archive, cancel, delete, run
from asynq_compat.cli.views import ago, bytes_text, task_json, until
from asynq_compat.inspector import Inspector
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.task import TaskInfo

# Heading and cell of what a table has beside id, type and payload.
_Column = tuple[str, Callable[[TaskInfo, datetime], str]]
_LAST_FAILED: _Column = ("Last Failed", lambda info, now: ago(info.last_failed_at, now))
_LAST_ERROR: _Column = ("Last Error", lambda info, _: info.last_err or "-")
_COLUMNS: dict[str, tuple[_Column, ...]] = {
    "pending": (),
    "active": (("", lambda info, _: "orphaned" if info.is_orphaned else ""),),
    "scheduled": (("Process In", lambda info, now: until(info.next_process_at, now)),),
    "retry": (
        ("Next Retry", lambda info, now: until(info.next_process_at, now)),
        _LAST_ERROR,
        _LAST_FAILED,
        ("Retried", lambda info, _: str(info.retried)),
        ("Max Retry", lambda info, _: str(info.max_retry)),
    ),
    "archived": (_LAST_FAILED, _LAST_ERROR),
    "completed": (
        ("Completed At", lambda info, _: when(info.completed_at)),
        ("Result", lambda info, _: bytes_text(info.result)),
    ),
}


@click.group(cls=AliasedGroup)
def task() -> None:
    """Look at tasks, enqueue, run, archive, delete and cancel them."""


@task.command("ls")
@queue_option
@click.option("--state", "-s", type=click.Choice(tuple(_COLUMNS)), required=True, help="Their state.")
@page_options
@json_option
@click.pass_obj
def list_tasks(session: Session, *, queue: str, state: str, page: int, size: int, as_json: bool) -> None:
    """List the tasks of a queue that are in one state, a page at a time.

    \b
    Examples:
      asynq-compat task ls --queue default --state pending
      asynq-compat task ls -q critical -s retry --page 2 --size 100 --json
    """
    with session.inspector() as inspector, about(queue):
        infos = _listed(inspector, queue, state, page, size)
    if as_json:
        print_json([task_json(info) for info in infos])
    elif infos:
        _print_list(_COLUMNS[state], infos)
    else:
        print_text(f"No {state} tasks in {go_quoted(queue)} queue" + (f" on page {page}" if page > 1 else ""))


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
        for name, text in _described(info, datetime.now(UTC)):
            print_text(f"{name + ':':<18}{text}")


def _listed(inspector: Inspector, queue: str, state: str, page: int, size: int) -> Sequence[TaskInfo]:
    lists = {
        "active": inspector.list_active_tasks,
        "pending": inspector.list_pending_tasks,
        "scheduled": inspector.list_scheduled_tasks,
        "retry": inspector.list_retry_tasks,
        "archived": inspector.list_archived_tasks,
        "completed": inspector.list_completed_tasks,
    }
    return lists[state](queue, page_size=size, page=page)


def _print_list(columns: Sequence[_Column], infos: Sequence[TaskInfo]) -> None:
    now = datetime.now(UTC)
    print_table(
        ("ID", "Type", "Payload", *(heading for heading, _ in columns)),
        [(info.id, info.type, bytes_text(info.payload), *(cell(info, now) for _, cell in columns)) for info in infos],
    )


def _described(info: TaskInfo, now: datetime) -> Sequence[tuple[str, str]]:
    lines = [
        ("Queue", info.queue),
        ("ID", info.id),
        ("Type", info.type),
        ("State", f"{info.state}{' (orphaned: its worker is gone)' if info.is_orphaned else ''}"),
        ("Retried", f"{info.retried}/{info.max_retry}"),
        ("Next process time", _next(info, now)),
        ("Payload", bytes_text(info.payload)),
        ("Headers", ", ".join(f"{name}={value}" for name, value in (info.headers or {}).items())),
        ("Group", info.group),
        ("Timeout", str(info.timeout) if info.timeout else ""),
        ("Deadline", when(info.deadline) if info.deadline else ""),
        ("Retention", str(info.retention) if info.retention else ""),
        ("Completed", when(info.completed_at) if info.completed_at else ""),
        ("Result", bytes_text(info.result) if info.result else ""),
        (
            "Last failure",
            f"{when(info.last_failed_at)} ({ago(info.last_failed_at, now)})" if info.last_failed_at else "",
        ),
        ("Last error", info.last_err),
    ]
    return [(name, text) for name, text in lines if text]


def _next(info: TaskInfo, now: datetime) -> str:
    if info.next_process_at is None:
        return "n/a"
    if str(info.state) == "pending":
        return "now"
    return f"{when(info.next_process_at)} ({until(info.next_process_at, now)})"


for _command in (cancel, archive, delete, run, enqueue):
    task.add_command(_command)
task.alias("ls", "list")
task.alias("delete", "remove", "rm")
