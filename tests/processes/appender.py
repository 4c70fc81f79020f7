"""Which process appends while a test watches it, stops it or kills it?

Contract: ``python -m tests.processes.appender FILE TAG SECONDS`` appends frames "TAG number" to the control journal, one by one and at
least one, and prints each position once it is durable.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.sqlite import SqliteJournalStore


def start_appender(path: Path, tag: str, seconds: float) -> subprocess.Popen[str]:
    """Start one; its standard output has a position a line, after a line "ready"."""
    command = [sys.executable, "-m", "tests.processes.appender", str(path), tag, str(seconds)]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    """Let it begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def main(path: str, tag: str, seconds: float) -> None:
    """Append until the time is over."""
    journal = SqliteJournalStore(path).open(CONTROL)
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + seconds
    for number in itertools.count():
        print(journal.append(f"{tag} {number}".encode()), flush=True)
        if time.monotonic() >= end:
            return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
