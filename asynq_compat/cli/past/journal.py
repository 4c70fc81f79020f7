"""What does a queue's journal say, now and at any moment before?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

import click

from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.output import json_option, print_json, print_table, print_text, span, when
from asynq_compat.cli.past.moments import MOMENT
from asynq_compat.cli.past.versions import activate
from asynq_compat.cli.session import Session
from asynq_compat.ports.history import LogEntry, PublishedQueue, QueueDifference, QueueSnapshot, Verification

_TASKS_SHOWN_MAX = 100

_partition_option = click.option(
    "--partition", type=click.IntRange(min=0), help="Which one, where a queue has several."
)


@click.group(cls=AliasedGroup)
def journal() -> None:
    """Look into the journal of a queue (redpanda://, sqlite:///)."""


journal.add_command(activate)


@journal.command()
@json_option
@click.pass_obj
def queues(session: Session, *, as_json: bool) -> None:
    """Show all queues with what their servers told last, and how long ago; no queue is read for it.

    Servers tell every two seconds what has changed, and every half minute that they still look.

    \b
    Examples:
      asynq-compat journal queues
      asynq-compat journal queues --json
    """
    with session.history() as past:
        told = past.queues()
    if as_json:
        print_json(told)
    else:
        _print_queues(told)


@journal.command()
@click.argument("queue")
@click.option("--at", type=MOMENT, help="As it was then; otherwise as it is now.")
@_partition_option
@json_option
@click.pass_obj
def describe(session: Session, *, queue: str, partition: int | None, at: int | datetime | None, as_json: bool) -> None:
    """Show a queue's tasks by state, its servers, its keeper, its digest, and what is worth reporting.

    \b
    Examples:
      asynq-compat journal describe default
      asynq-compat journal describe default --at 2026-01-31T08:00:00Z
      asynq-compat journal describe default --at 1042 --json
      asynq-compat journal describe bulk --partition 3
    """
    with session.history() as past, session.progress("reading") as progress:
        snapshot = past.describe(queue, partition, at, progress)
    _tell_of_the_end(at, snapshot)
    if as_json:
        print_json(snapshot)
    else:
        _print_snapshot(snapshot)


@journal.command()
@click.argument("queue")
@click.argument("before", type=MOMENT)
@click.argument("after", type=MOMENT)
@_partition_option
@json_option
@click.pass_obj
def diff(
    session: Session,
    *,
    queue: str,
    partition: int | None,
    before: int | datetime,
    after: int | datetime,
    as_json: bool,
) -> None:
    """Show what changed in a queue between two moments: counts, and which tasks came, went or changed their state.

    \b
    Examples:
      asynq-compat journal diff default 1042 2000
      asynq-compat journal diff default 2026-01-31T08:00:00Z 2026-01-31T09:00:00Z --json
    """
    with session.history() as past, session.progress("reading") as progress:
        difference = past.difference(queue, partition, before, after, progress)
    for asked, got in ((before, difference.before), (after, difference.after)):
        _tell_of_the_end(asked, got)
    if as_json:
        print_json(difference)
    else:
        _print_difference(difference)


@journal.command()
@click.argument("queue")
@click.option("--from", "since", type=MOMENT, help="Begin there; otherwise a few entries before the end.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until interrupted.")
@click.option("--limit", type=click.IntRange(min=1), help="Show at most so many entries.")
@_partition_option
@json_option
@click.pass_obj
def tail(
    session: Session,
    *,
    queue: str,
    partition: int | None,
    since: int | datetime | None,
    follow: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show a queue's entries in words, one line each.

    \b
    Examples:
      asynq-compat journal tail default --follow
      asynq-compat journal tail default --from 0 --limit 100 --json
    """
    with session.history() as past:
        for entry in islice(past.entries(queue, partition, since, follows=follow), limit):
            if as_json:
                print_json(entry)
            else:
                print_text(_line(entry))
            sys.stdout.flush()


@journal.command()
@click.argument("queue")
@_partition_option
@json_option
@click.pass_context
def verify(context: click.Context, *, queue: str, partition: int | None, as_json: bool) -> None:
    """Read a queue's journal twice and compare; exit code 1 if anything is wrong.

    Wrong are frames out of their writer's order, entries that cannot be read, rejected commands, timestamps that the
    log did not give, and two readings that differ.

    \b
    Examples:
      asynq-compat journal verify default
      asynq-compat journal verify default --json
    """
    session: Session = context.obj
    with session.history() as past, session.progress("reading") as progress:
        verification = past.verify(queue, partition, progress)
    if as_json:
        print_json(verification)
    else:
        _print_verification(verification)
    context.exit(1 if verification.problem_count else 0)


@journal.command()
@click.argument("queue")
@_partition_option
@json_option
@click.pass_obj
def checkpoint(session: Session, *, queue: str, partition: int | None, as_json: bool) -> None:
    """Write down a queue's state now, so that what starts next need not read the journal from its beginning.

    Servers do so by themselves when the journal has grown; this cuts nothing off.

    \b
    Examples:
      asynq-compat journal checkpoint default
      asynq-compat journal checkpoint default --json
    """
    with session.history() as past:
        written = past.checkpoint(queue, partition)
    if as_json:
        print_json(written)
    elif written is None:
        print_text(f"queue {queue}: nothing to write, or a newer checkpoint is there")
    else:
        print_text(f"queue {queue}: checkpoint at position {written.position}, {written.size_bytes} bytes")


def _print_queues(told: Sequence[PublishedQueue]) -> None:
    if not told:
        print_text("no queues")
        return
    counted = ("pending", "active", "scheduled", "retry", "archived", "completed", "orphaned", "credit", "sessions")
    print_table(
        ("queue", *counted, "latency", "age", ""),
        [
            (
                one.queue,
                *(str(one.counts.get(name, "-")) for name in counted),
                span(one.latency if one.counts else None),
                span(one.age),
                "paused" if one.is_paused else "",
            )
            for one in told
        ],
    )


def _tell_of_the_end(asked: int | datetime | None, got: QueueSnapshot) -> None:
    """Say on stderr that a position lies beyond the journal's end; a queue is always as at its end after that."""
    if isinstance(asked, int) and asked > got.end:
        where = f"ends at {got.end}, earlier than {asked}; it is shown as of {got.position}"
        click.echo(f"the journal of queue {got.queue} {where}", err=True)


def _print_snapshot(one: QueueSnapshot) -> None:
    paused = ", paused" if one.is_paused else ""
    which = f", partition {one.partition} of {one.partition_count}" if one.partition_count > 1 else ""
    print_text(f"queue {one.queue}{which} at position {one.position}, {when(one.at)}{paused}")
    print_text(
        f"journal {one.journal_id or 'without a genesis'}, machine version {one.version}, positions {one.first} to {one.end}"
    )
    print_text(f"{one.behind} entries were written since" if one.behind else "this is its end")
    if one.cut_before is not None:
        print_text(f"cut before position {one.cut_before}")
    print_text(f"digest {one.digest}")
    print_text("")
    print_table(("tasks", ""), [(name.replace("_", " "), str(count)) for name, count in one.counts.items()])
    if one.sessions:
        print_text("")
        print_table(
            ("session", "server", "slots", "credit", "holds", "silent for", ""),
            [
                (
                    str(session.name),
                    session.server,
                    str(session.slots),
                    str(session.credit),
                    str(session.held),
                    span(session.silent_for),
                    "keeper" if session.is_keeper else "",
                )
                for session in one.sessions
            ],
        )
    _print_list("notes", one.notes, one.note_count)


def _print_list(title: str, texts: Sequence[str], count: int) -> None:
    if texts:
        print_text("")
        print_text(f"{title} ({len(texts)} of {count}):" if count > len(texts) else f"{title}:")
        for text in texts:
            print_text(f"  {text}")


def _print_difference(one: QueueDifference) -> None:
    before, after = one.before, one.after
    print_text(f"queue {after.queue} from position {before.position}, {when(before.at)}")
    print_text(f"      to position {after.position}, {when(after.at)}")
    print_text("")
    print_table(
        ("tasks", "before", "after", ""),
        [
            (name.replace("_", " "), str(was), str(now), f"{now - was:+d}" if now != was else "")
            for name, was in before.counts.items()
            for now in (after.counts[name],)
        ],
    )
    if one.tasks:
        print_text("")
        rows = [(task.task_id, task.before or "-", task.after or "gone") for task in one.tasks[:_TASKS_SHOWN_MAX]]
        print_table(("task", "before", "after"), rows)
        if len(one.tasks) > _TASKS_SHOWN_MAX:
            print_text(f"... and {len(one.tasks) - _TASKS_SHOWN_MAX} more; --json has all")


def _line(entry: LogEntry) -> str:
    writer = f"{entry.writer[:8]}#{entry.sequence}" if entry.writer else "foreign"
    return f"{entry.position}  {when(entry.at)}  {writer}  {'; '.join(entry.commands)}"


def _print_verification(one: Verification) -> None:
    total = sum(one.entries.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(one.entries.items()))
    print_text(f"queue {one.queue} up to position {one.position}: {total} entries" + (f" ({kinds})" if kinds else ""))
    print_text(f"digest {one.digests[0]}" + ("" if one.digests[0] == one.digests[1] else f", then {one.digests[1]}"))
    _print_list("problems", one.problems, one.problem_count)
    if not one.problem_count:
        print_text("all is as it should be")
