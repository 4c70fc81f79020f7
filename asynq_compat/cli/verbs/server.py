"""Which servers live, and what do they work on?"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from asynq_compat.cli.lazy import AliasedGroup
from asynq_compat.cli.output import json_option, print_json, print_table, print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.views import ago, bytes_json
from asynq_compat.infos import ServerInfo, WorkerInfo


@click.group(cls=AliasedGroup)
def server() -> None:
    """Look at the servers that live."""


@server.command("ls")
@json_option
@click.pass_obj
def list_servers(session: Session, *, as_json: bool) -> None:
    """List the servers that live, Go's and ours, with their queues; --json has what they work on.

    \b
    Examples:
      asynq-compat server ls
      asynq-compat server ls --json
    """
    with session.inspector() as inspector:
        found = sorted(inspector.servers(), key=lambda one: (one.host, one.pid))
    if as_json:
        print_json([_server_json(one) for one in found])
        return
    if not found:
        print_text("No running servers")
        return
    now = datetime.now(UTC)
    print_table(
        ("Host", "PID", "State", "Active Workers", "Queues", "Started"),
        [
            (
                one.host,
                str(one.pid),
                one.status,
                f"{len(one.active_workers)}/{one.concurrency}",
                _queues(one),
                ago(one.started, now),
            )
            for one in found
        ],
    )


def _queues(one: ServerInfo) -> str:
    """Return the queues by priority, highest first, then by name."""
    ordered = sorted(one.queues.items(), key=lambda item: (-item[1], item[0]))
    return " ".join(f"{name}:{priority}" for name, priority in ordered) + (" strict" if one.strict_priority else "")


def _server_json(one: ServerInfo) -> dict[str, object]:
    same = ("id", "host", "pid", "concurrency", "queues", "strict_priority", "started", "status")
    workers = sorted(one.active_workers, key=lambda worker: worker.task_id)
    return {**{name: getattr(one, name) for name in same}, "active_workers": [_worker_json(one) for one in workers]}


def _worker_json(one: WorkerInfo) -> dict[str, object]:
    return {
        "task_id": one.task_id,
        "task_type": one.task_type,
        **bytes_json("task_payload", one.task_payload),
        "queue": one.queue,
        "started": one.started,
        "deadline": one.deadline,
    }


server.alias("ls", "list")
