"""What does a server do that runs handlers in two worker processes, and whose fate a test decides?

Run as `python tests/interop/crew_program.py URL FOLDER`. Where FOLDER/slow is there, its workers import it for a minute. Each handler notes its start and end in FOLDER/ledger: type, pid, what. `slow` stays until
FOLDER/release exists; `spin` keeps the interpreter from every other thread of its process; `fail` fails.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import asynq_compat as asynq

URL, FOLDER = sys.argv[1], Path(sys.argv[2])
mux = asynq.ServeMux()
if __name__ != "__main__" and (FOLDER / "slow").exists():
    (FOLDER / f"importing-{os.getpid()}").touch()
    threading.Event().wait(60)


def note(task: asynq.Task, what: str) -> None:
    with (FOLDER / "ledger").open("a") as ledger:
        ledger.write(f"{task.type} {os.getpid()} {what}\n")


@mux.on("quick")
def quick(ctx: asynq.Context, task: asynq.Task) -> None:
    note(task, "start")


@mux.on("slow")
def slow(ctx: asynq.Context, task: asynq.Task) -> None:
    note(task, "start")
    while not (FOLDER / "release").exists() and not ctx.wait(0.05):
        pass
    note(task, "cancelled" if ctx.cancelled() else "end")


@mux.on("spin")
def spin(ctx: asynq.Context, task: asynq.Task) -> None:
    note(task, "start")
    pow(7, 400_000_000)


@mux.on("fail")
def fail(ctx: asynq.Context, task: asynq.Task) -> None:
    note(task, "start")
    raise asynq.SkipRetry("it fails")


def main() -> None:
    """Serve until a signal."""
    asynq.Server(URL, asynq.Config(processes=2, concurrency=4, shutdown_timeout=20)).run(mux)


if __name__ == "__main__":
    main()
