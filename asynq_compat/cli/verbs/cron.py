"""Which periodic tasks do schedulers have, and what did they enqueue?"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from asynq_compat.cli.each import Each
from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.output import json_option, print_json, print_table, print_text, when
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import NAME, page_options
from asynq_compat.cli.views import ago, bytes_json, bytes_text, until
from asynq_compat.errors import NotFoundError
from asynq_compat.infos import SchedulerEnqueueEvent, SchedulerEntry
from asynq_compat.rules.go_text import go_quoted


@click.group(cls=AliasedGroup)
def cron() -> None:
    """Look at periodic tasks and what was enqueued for them."""


@cron.command("ls")
@json_option
@click.pass_obj
def list_entries(session: Session, *, as_json: bool) -> None:
    """List the periodic tasks of all schedulers that live, Go's and ours.

    \b
    Examples:
      asynq-compat cron ls
      asynq-compat cron ls --json
    """
    with session.inspector() as inspector:
        found = sorted(inspector.scheduler_entries(), key=lambda one: (one.spec, one.id))
    if as_json:
        print_json([_entry_json(one) for one in found])
        return
    if not found:
        print_text("No scheduler entries")
        return
    now = datetime.now(UTC)
    print_table(
        ("EntryID", "Spec", "Type", "Payload", "Options", "Next", "Prev"),
        [
            (
                one.id,
                one.spec,
                one.task.type,
                bytes_text(one.task.payload),
                ", ".join(map(str, one.opts)) or "-",
                until(one.next, now),
                ago(one.prev, now),
            )
            for one in found
        ],
    )


@cron.command()
@click.argument("entry_ids", metavar="ENTRY_ID...", nargs=-1, required=True, type=NAME)
@page_options
@json_option
@click.pass_obj
def history(session: Session, *, entry_ids: tuple[str, ...], page: int, size: int, as_json: bool) -> None:
    """Show what was enqueued for periodic tasks, the newest first; a thousand are kept for each, until its scheduler ends.

    \b
    Examples:
      asynq-compat cron history 0f3c2f6e-...
      asynq-compat cron history 0f3c2f6e-... --page 2 --size 100 --json
    """
    each = Each(as_json=as_json)
    with session.inspector() as inspector:

        def of_one(entry_id: str) -> tuple[str, list[SchedulerEnqueueEvent]]:
            events = inspector.list_scheduler_enqueue_events(entry_id, page_size=size, page=page)
            if not events and entry_id not in {one.id for one in inspector.scheduler_entries()}:
                raise NotFoundError(
                    f"no scheduler that lives has an entry {go_quoted(entry_id)}, and nothing was enqueued for it; "
                    "asynq-compat cron ls shows those that are there"
                )
            return entry_id, events

        found = each.do(entry_ids, of_one)
    if as_json:
        print_json([{"entry_id": entry_id, "events": events} for entry_id, events in found])
    else:
        for number, (entry_id, events) in enumerate(found):
            if number:
                print_text("")
            _print_events(entry_id, events)
    each.end()


def _print_events(entry_id: str, events: list[SchedulerEnqueueEvent]) -> None:
    if not events:
        print_text(f"No scheduler enqueue events found for entry: {entry_id}")
        return
    print_text(f"Entry: {entry_id}\n")
    print_table(("TaskID", "EnqueuedAt"), [(event.task_id, when(event.enqueued_at)) for event in events])


def _entry_json(one: SchedulerEntry) -> dict[str, object]:
    return {
        "id": one.id,
        "spec": one.spec,
        "type": one.task.type,
        **bytes_json("payload", one.task.payload),
        "opts": [str(option) for option in one.opts],
        "next": one.next,
        "prev": one.prev,
    }


cron.alias("ls", "list")
