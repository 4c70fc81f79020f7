"""What can be asked and changed about queues?"""

from __future__ import annotations

import click

from asynq_compat.cli.each import Each, about
from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.output import json_option, print_json, print_table, print_text, span
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import NAME
from asynq_compat.cli.views import STATES, error_rate, queue_json, size_text
from asynq_compat.inspector import Inspector
from asynq_compat.ports.inspecting import QueueInfo
from asynq_compat.rules.go_text import go_quoted

_queues_argument = click.argument("queues", metavar="QUEUE...", nargs=-1, required=True, type=NAME)


@click.group(cls=AliasedGroup)
def queue() -> None:
    """Look at queues, pause and remove them."""


@queue.command("ls")
@json_option
@click.pass_obj
def list_queues(session: Session, *, as_json: bool) -> None:
    """List the queues.

    \b
    Examples:
      asynq-compat queue ls
      asynq-compat queue ls --json
    """
    with session.inspector() as inspector:
        names = sorted(inspector.queues())
    if as_json:
        print_json(names)
    else:
        for name in names:
            print_text(name)


@queue.command()
@_queues_argument
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
                print_text("\n" + "=" * 40 + "\n")
            _print(info)
    each.end()


@queue.command()
@_queues_argument
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
            _info(inspector, name)
            inspector.pause_queue(name)
            print_text(f"Successfully paused queue {go_quoted(name)}")

        each.do(queues, stop)
    each.end()


@queue.command()
@_queues_argument
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
            inspector.unpause_queue(name)
            print_text(f"Successfully unpaused queue {go_quoted(name)}")

        each.do(queues, go_on)
    each.end()


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


queue.alias("ls", "list")
queue.alias("resume", "unpause")
