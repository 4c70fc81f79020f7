"""Which groups does a queue have?"""

from __future__ import annotations

import click

from asynq_compat.cli.each import about
from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.output import json_option, print_json, print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import queue_option
from asynq_compat.rules.go_text import go_quoted


@click.group(cls=AliasedGroup)
def group() -> None:
    """Look at the groups in which tasks wait to be aggregated."""


@group.command("ls")
@queue_option
@json_option
@click.pass_obj
def list_groups(session: Session, *, queue: str, as_json: bool) -> None:
    """List the groups of a queue; --json has how many tasks wait in each.

    \b
    Examples:
      asynq-compat group ls --queue default
      asynq-compat group ls -q default --json
    """
    with session.inspector() as inspector, about(queue):
        inspector.get_queue_info(queue)
        found = sorted(inspector.groups(queue), key=lambda one: one.group)
    if as_json:
        print_json(found)
    elif found:
        for one in found:
            print_text(one.group)
    else:
        print_text(f"No groups found in queue {go_quoted(queue)}")


group.alias("ls", "list")
