"""How is a task handed over at the command line?"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import BinaryIO

import click

from asynq_compat.cli.output import json_option, print_json, print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import DURATION, INSTANT, NAME
from asynq_compat.cli.views import task_json
from asynq_compat.options import OptionKeywords
from asynq_compat.task import Task


@click.command()
@click.option("--type-name", "--type_name", "-t", type=NAME, required=True, help="The task's type.")
@click.option("--payload", "-l", help="The payload, as text.")
@click.option("--payload-file", type=click.File("rb"), help="A file that holds the payload; - for standard input.")
@click.option("--retry", type=click.IntRange(0, 2**31 - 1), help="How often it is tried again at most.")
@click.option("--queue", "-q", type=NAME, help="The queue.")
@click.option("--id", "-i", "task_id", type=NAME, help="An id of your choice.")
@click.option("--timeout", type=DURATION, help="How long an attempt may take: 30s.")
@click.option("--deadline", type=INSTANT, help="When it has to be done.")
@click.option("--unique", type=DURATION, help="How long no other such task may be there.")
@click.option("--process-at", "--process_at", type=INSTANT, help="When it runs: 2026-01-31T08:00:00Z.")
@click.option("--process-in", "--process_in", type=DURATION, help="How long it waits: 1h30m.")
@click.option("--retention", type=DURATION, help="How long it is kept once it is done.")
@click.option("--group", type=NAME, help="The group in which it waits to be aggregated.")
@json_option
@click.pass_obj
def enqueue(
    session: Session,
    /,
    *,
    type_name: str,
    payload: str | None,
    payload_file: BinaryIO | None,
    as_json: bool,
    **wishes: str | int | datetime | timedelta | None,
) -> None:
    """Enqueue a task; what is left out is as in a program.

    \b
    Examples:
      asynq-compat task enqueue --type-name email:welcome --payload '{"user": 7}'
      asynq-compat task enqueue -t report -l '{}' --queue low --process-in 1h --retry 3
      asynq-compat task enqueue -t image --payload-file picture.png --json
    """
    if payload is not None and payload_file is not None:
        raise click.UsageError("the payload is given twice; leave out --payload or --payload-file")
    if wishes["process_at"] is not None and wishes["process_in"] is not None:
        raise click.UsageError("it cannot run both at a time and after one; leave out --process-at or --process-in")
    data = payload_file.read() if payload_file else None if payload is None else os.fsencode(payload)
    names = {"retry": "max_retry"}
    keywords: OptionKeywords = {names.get(name, name): value for name, value in wishes.items() if value is not None}  # type: ignore[assignment]  # each has its option's type
    with session.client() as client:
        info = client.enqueue(Task(type_name, data), **keywords)
    if as_json:
        print_json(task_json(info))
    else:
        print_text(f"Enqueued task {info.id} to queue {info.queue}")
