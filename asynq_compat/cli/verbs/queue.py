"""What can be asked and changed about queues?"""

from __future__ import annotations

from typing import TypedDict

import click

from asynq_compat.cli.each import Each, about
from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.output import json_option, print_json, print_table, print_text, span
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import queues_argument
from asynq_compat.cli.verbs.queue_changes import pause, remove, resume
from asynq_compat.cli.views import STATES, error_rate, queue_json, size_text
from asynq_compat.infos import DailyStats
from asynq_compat.inspector import Inspector
from asynq_compat.ports.inspecting import QueueInfo

_BETWEEN = "\n" + "=" * 40 + "\n"


class _Place(TypedDict):
    queue: str
    key_slot: int
    nodes: list[str]


@click.group(cls=AliasedGroup)
def queue() -> None:
    """Look at queues, pause and remove them."""


@queue.command("ls")
@json_option
@click.pass_obj
def list_queues(session: Session, *, as_json: bool) -> None:
    """List the queues; on a Redis cluster with the slot and the nodes of each.

    \b
    Examples:
      asynq-compat queue ls
      asynq-compat queue ls --json
    """
    with session.inspector() as inspector:
        names = sorted(inspector.queues())
        places = [_place(inspector, name) for name in names] if session.is_cluster else []
    if as_json:
        print_json(places if session.is_cluster else names)
    elif session.is_cluster:
        print_table(
            ("Queue", "Cluster KeySlot", "Cluster Nodes"),
            [(str(one["queue"]), str(one["key_slot"]), ", ".join(one["nodes"])) for one in places],
        )
    else:
        for name in names:
            print_text(name)


@queue.command()
@queues_argument
@json_option
@click.pass_obj
def inspect(session: Session, *, queues: tuple[str, ...], as_json: bool) -> None:
    """Show how many tasks queues have, by state, and what was done today.

    \b
    Examples:
      asynq-compat queue inspect default
      asynq-compat queue inspect critical low --json
    """
    each = Each(as_json=as_json)
    with session.inspector() as inspector:
        infos = each.do(queues, lambda name: _info(inspector, name))
    if as_json:
        print_json([queue_json(info) for info in infos])
    else:
        for number, info in enumerate(infos):
            if number:
                print_text(_BETWEEN)
            _print(info)
    each.end()


@queue.command()
@queues_argument
@click.option("--days", "-x", type=click.IntRange(1, 90), default=10, help="How many days, today first: 10.")
@json_option
@click.pass_obj
def history(session: Session, *, queues: tuple[str, ...], days: int, as_json: bool) -> None:
    """Show what was processed and failed in queues, day by day in UTC.

    \b
    Examples:
      asynq-compat queue history default
      asynq-compat queue history critical low --days 30 --json
    """
    each = Each(as_json=as_json)
    with session.inspector() as inspector:

        def of_one(name: str) -> tuple[str, list[DailyStats]]:
            with about(name):
                return name, inspector.history(name, days)

        found = each.do(queues, of_one)
    if as_json:
        print_json([{"queue": name, "days": [_day_json(day) for day in stats]} for name, stats in found])
    else:
        for number, (name, stats) in enumerate(found):
            if number:
                print_text(_BETWEEN)
            print_text(f"Queue: {name}\n")
            rows = [
                (f"{day.date:%Y-%m-%d}", str(day.processed), str(day.failed), error_rate(day.processed, day.failed))
                for day in stats
            ]
            print_table(("date (UTC)", "processed", "failed", "error rate"), rows)
    each.end()


def _day_json(day: DailyStats) -> dict[str, object]:
    return {"date": f"{day.date:%Y-%m-%d}", "processed": day.processed, "failed": day.failed}


def _place(inspector: Inspector, name: str) -> _Place:
    nodes = [node.addr for node in inspector.cluster_nodes(name)]
    return {"queue": name, "key_slot": inspector.cluster_key_slot(name), "nodes": nodes}


def _info(inspector: Inspector, name: str) -> QueueInfo:
    with about(name):
        return inspector.get_queue_info(name)


def _print(info: QueueInfo) -> None:
    print_table(
        ("Queue", "Size", "Groups", "Paused", "Latency", "Memory"),
        [
            (
                info.queue,
                str(info.size),
                str(info.groups),
                "yes" if info.paused else "no",
                span(info.latency),
                size_text(info.memory_usage),
            )
        ],
    )
    print_text("\nTask count by state")
    print_table(STATES, [[str(getattr(info, state)) for state in STATES]])
    print_text(f"\nToday ({info.timestamp:%Y-%m-%d} UTC)")
    print_table(
        ("processed", "failed", "error rate", "processed ever", "failed ever"),
        [
            (
                str(info.processed),
                str(info.failed),
                error_rate(info.processed, info.failed),
                str(info.processed_total),
                str(info.failed_total),
            )
        ],
    )
    if info.unreadable:
        print_text(f"\n{info.unreadable} entries of its journal were skipped: they could not be read")


for _command in (pause, resume, remove):
    queue.add_command(_command)
queue.alias("ls", "list")
queue.alias("resume", "unpause")
queue.alias("remove", "rm", "delete")
