"""Which machine version holds in a queue, who knows which, and when does the next one begin?"""

from __future__ import annotations

from collections.abc import Sequence

import click

from asynq_compat.cli.output import json_option, print_json, print_table, print_text
from asynq_compat.cli.session import Session
from asynq_compat.ports.history import PartitionVersions


@click.command()
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--queue", help="In this queue only; otherwise in all.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def activate(context: click.Context, *, version: int | None, queue: str | None, yes: bool, as_json: bool) -> None:
    """Let a release's new rules, its machine VERSION, hold from now on; without VERSION show which holds and who knows which.

    It is refused while a live server does not know the version. Afterwards no older release can read the queue: going
    back to it is over.

    \b
    Examples:
      asynq-compat journal activate
      asynq-compat journal activate 2
      asynq-compat journal activate 2 --queue default --yes --json
    """
    session: Session = context.obj
    if version is not None and as_json and not yes:
        raise click.UsageError("--json asks nobody; add --yes")
    with session.history() as past:
        told = past.versions(queue)
        if version is not None:
            if not yes and not _is_wanted(version, told):
                print_text("nothing was activated")
                context.exit(1)
            told = past.activate(queue, version)
    if as_json:
        print_json(told)
    elif told:
        _print_versions(told)
    else:
        print_text("no queues")


def _is_wanted(version: int, told: Sequence[PartitionVersions]) -> bool:
    where = ", ".join(dict.fromkeys(one.queue for one in told))
    click.echo(f"From now on machine version {version} holds in: {where}", err=True)
    click.echo("No older release can read these queues then: going back to it ends here", err=True)
    return click.confirm("Activate it?", err=True)


def _print_versions(told: Sequence[PartitionVersions]) -> None:
    known = ", ".join(str(version) for version in told[0].known_versions)
    print_text(f"this program knows machine version {known}")
    print_text("")
    rows = [
        (one.queue, str(one.partition), str(one.active_version), server, knows)
        for one in told
        for server, knows in [(server.server, f"up to {server.newest_version}") for server in one.servers]
        or [("-", "")]
    ]
    print_table(("queue", "partition", "holds", "server", "knows"), rows)
