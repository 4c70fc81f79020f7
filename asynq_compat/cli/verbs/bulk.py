"""What can be done to all tasks of a queue that are in one state?

Contract: who watches sees how far it has come. An interrupted command has done a part; called again it goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import click

from asynq_compat.cli.asking import confirm, yes_option
from asynq_compat.cli.each import about
from asynq_compat.cli.output import json_option, print_json, print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import check_group, group_option, queue_option
from asynq_compat.inspector import Inspector
from asynq_compat.ports.administering import Progress
from asynq_compat.rules.go_text import go_quoted

# Called with the queue and who is told how many there were so far.
_Change = Callable[..., int]


def _state_option(*states: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    return click.option("--state", "-s", type=click.Choice(states), required=True, help="Their state.")


@click.command()
@queue_option
@_state_option("pending", "aggregating", "scheduled", "retry")
@group_option
@yes_option
@json_option
@click.pass_obj
def archiveall(session: Session, *, queue: str, state: str, group: str | None, yes: bool, as_json: bool) -> None:
    """Move all tasks of a queue that are in one state to its archive, which keeps the newest 10 000.

    \b
    Examples:
      asynq-compat task archiveall --queue default --state retry
      asynq-compat task archiveall -q default -s pending --yes --json
    """
    with session.inspector() as inspector:
        changes = {
            "pending": inspector.archive_all_pending_tasks,
            "scheduled": inspector.archive_all_scheduled_tasks,
            "retry": inspector.archive_all_retry_tasks,
        }
        change = _chosen(changes, inspector.archive_all_aggregating_tasks, state, group)
        _do(session, inspector, change, "Archive", "tasks archived", queue, state, group, yes=yes, as_json=as_json)


@click.command()
@queue_option
@_state_option("pending", "aggregating", "scheduled", "retry", "archived", "completed")
@group_option
@yes_option
@json_option
@click.pass_obj
def deleteall(session: Session, *, queue: str, state: str, group: str | None, yes: bool, as_json: bool) -> None:
    """Delete all tasks of a queue that are in one state, for good.

    \b
    Examples:
      asynq-compat task deleteall --queue default --state archived
      asynq-compat task deleteall -q default -s aggregating -g user:7 --yes
    """
    with session.inspector() as inspector:
        changes = {
            "pending": inspector.delete_all_pending_tasks,
            "scheduled": inspector.delete_all_scheduled_tasks,
            "retry": inspector.delete_all_retry_tasks,
            "archived": inspector.delete_all_archived_tasks,
            "completed": inspector.delete_all_completed_tasks,
        }
        change = _chosen(changes, inspector.delete_all_aggregating_tasks, state, group)
        _do(session, inspector, change, "Delete", "tasks deleted", queue, state, group, yes=yes, as_json=as_json)


@click.command()
@queue_option
@_state_option("scheduled", "retry", "archived", "aggregating")
@group_option
@json_option
@click.pass_obj
def runall(session: Session, *, queue: str, state: str, group: str | None, as_json: bool) -> None:
    """Make all tasks of a queue that are in one state pending now.

    \b
    Examples:
      asynq-compat task runall --queue default --state archived
      asynq-compat task runall -q default -s scheduled --json
    """
    with session.inspector() as inspector:
        changes = {
            "scheduled": inspector.run_all_scheduled_tasks,
            "retry": inspector.run_all_retry_tasks,
            "archived": inspector.run_all_archived_tasks,
        }
        change = _chosen(changes, inspector.run_all_aggregating_tasks, state, group)
        _do(session, inspector, change, "Run", "tasks are now pending", queue, state, group, yes=True, as_json=as_json)


def _chosen(changes: Mapping[str, _Change], of_a_group: _Change, state: str, group: str | None) -> _Change:
    check_group(state, group)
    if group is None:
        return changes[state]

    def change(queue: str, *, progress: Progress) -> int:
        return of_a_group(queue, group, progress=progress)

    return change


def _do(
    session: Session,
    inspector: Inspector,
    change: _Change,
    verb: str,
    done: str,
    queue: str,
    state: str,
    group: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    with about(queue):
        there = _there(inspector, queue, state, group)
        where = (
            f"queue {go_quoted(queue)}" if group is None else f"group {go_quoted(group)} in queue {go_quoted(queue)}"
        )
        confirm(f"{verb} all {state} tasks of {where}, {there} now?", yes=yes, as_json=as_json)
        with session.progress(f"{queue}: {state}") as shown:
            count = change(queue, progress=partial(_tell, shown, there))
    if as_json:
        print_json({"queue": queue, "state": state, "count": count})
    else:
        print_text(f"{count} {done}")


def _there(inspector: Inspector, queue: str, state: str, group: str | None) -> int:
    count: int = getattr(inspector.get_queue_info(queue), state)
    return count if group is None else sum(one.size for one in inspector.groups(queue) if one.group == group)


def _tell(shown: Callable[[int, int], None], there: int, count: int) -> None:
    shown(count, max(there, count))
