"""What takes too long for `make test`, and how did it end the last time?

`python -m tests.full` (`make full`) runs the tests marked `full`, chaos on each journal and on Redis, and new simulated histories; it writes
docs/full.md. The exit code is 1 if anything failed.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "full.md"
_HEAD = """# What takes too long for `make test`

`make full` runs it and writes this page: the tests marked `full`, chaos (`make chaos`) on each journal and on Redis beside Go, and new simulated
histories of the journal. The latest result, of commit {commit}, on {day}, {cpus} CPUs, Python {python}:

| what | command | seconds | result |
|---|---|---|---|
"""

console = Console(stderr=True)


def steps(seconds: float) -> dict[str, list[str]]:
    """Return what is run: words -> arguments of Python."""
    chaos = ["-m", "tests.chaos", "--seconds", f"{seconds:g}"]
    return {
        "tests marked full": ["-m", "pytest", "-q", "-m", "full"],
        "chaos on Redis, Go and Python": [*chaos, "--journal", "redis"],
        "chaos on SQLite": [*chaos, "--journal", "sqlite"],
        "chaos on SQLite, 4 partitions": [*chaos, "--journal", "sqlite", "--partitions", "4"],
        "chaos on the Kafka API": [*chaos, "--journal", "kafka"],
        "simulated histories": ["-m", "tests.simulator", "--seconds", f"{seconds:g}"],
    }


def page(rows: list[str]) -> str:
    """Return the page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.strip()
    day = datetime.now(UTC).date()
    head = _HEAD.format(commit=commit, day=day, cpus=os.cpu_count(), python=platform.python_version())
    return head + "\n".join(rows) + "\n"


def run(what: str, arguments: list[str]) -> tuple[str, bool]:
    """Run one step; return its row, and whether it went well."""
    console.print(f"{what} ...")
    began_s = time.monotonic()
    ended = subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    took_s = time.monotonic() - began_s
    said = (ended.stdout.strip() or ended.stderr.strip()).splitlines() or [f"ended with {ended.returncode}"]
    verdict = [line for line in said if "promise" in line or " passed" in line]
    last = (verdict or said)[-1].strip("= ")
    if ended.returncode:
        console.print(ended.stdout[-4_000:], ended.stderr[-4_000:], highlight=False)
    result = last if not ended.returncode else f"**failed**: {last}"
    return f"| {what} | `python {' '.join(arguments)}` | {took_s:.0f} | {result} |", not ended.returncode


@click.command()
@click.option("--seconds", type=click.FloatRange(min=20), default=120.0, show_default=True, help="How long blows fall.")
def main(seconds: float) -> None:
    """Run everything and write docs/full.md."""
    rows = [run(what, arguments) for what, arguments in steps(seconds).items()]
    PAGE.write_text(page([row for row, _ in rows]))
    console.print(f"written: {PAGE.relative_to(REPOSITORY)}")
    sys.exit(0 if all(went_well for _, went_well in rows) else 1)


if __name__ == "__main__":
    main()
