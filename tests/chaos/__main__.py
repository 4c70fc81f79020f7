"""How long does the queue keep its promises among processes that die?

`python -m tests.chaos --journal kafka --seconds 600`, or `--journal redis`, where Go's processes take part; `--seed 7` deals the blows of seed 7 again.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.chaos.harness import run
from tests.chaos.on_redis import harness as on_redis
from tests.services.installing import ServiceMissingError


@click.command()
@click.option("--journal", type=click.Choice(["sqlite", "kafka", "redis"]), default="sqlite", show_default=True)
@click.option("--seconds", type=click.FloatRange(min=10), default=60.0, show_default=True, help="How long blows fall.")
@click.option(
    "--partitions", type=click.IntRange(1, 256), default=1, show_default=True, help="Of the queue, on a journal."
)
@click.option("--seed", type=int, help="Whose blows; a new one if left out.")
def main(journal: str, seconds: float, partitions: int, seed: int | None) -> None:
    """Kill producers, workers and the broker for a while; exit code 1 if a promise was broken."""
    console = Console()
    logging.getLogger("asynq_compat").setLevel(logging.ERROR)  # What befell the sessions stands in the account.
    seed = time.time_ns() // 1_000_000 if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    console.print(f"seed {seed}, {journal}, {partitions} partitions, {seconds:g} s; ledgers and logs in {folder}")
    try:
        if journal == "redis":
            account = on_redis.run(folder, seconds=seconds, seed=seed)
        else:
            account = run(journal, folder, seconds=seconds, seed=seed, partitions=partitions)
    except ServiceMissingError as error:
        raise click.ClickException(str(error)) from error
    table = Table("what", "how many")
    for what, count in account.counts.items():
        table.add_row(what, str(count))
    console.print(table)
    for problem in account.problems:
        console.print(f"[red]wrong[/red]: {problem}", highlight=False)
    console.print(f"seed {seed}: " + ("a promise was broken" if account.problems else "every promise was kept"))
    sys.exit(1 if account.problems else 0)


if __name__ == "__main__":
    main()
