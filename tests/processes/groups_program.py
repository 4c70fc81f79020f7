"""A worker that makes one task of a group's, and notes each such task: ``python -m tests.processes.groups_program URL FILE``."""

from __future__ import annotations

import os
import random
import sys
import threading

import asynq_compat as asynq

SLOW_S = 0.1


def join(group: str, tasks: list[asynq.Task]) -> asynq.Task:
    """Take a while, so that a kill finds it here."""
    threading.Event().wait(random.random() * SLOW_S)
    return asynq.Task("joined", b",".join(task.payload or b"" for task in tasks))


def main(url: str, file: str) -> None:
    """Serve until told to stop."""
    mux = asynq.ServeMux()

    @mux.on("joined")
    def joined(ctx: asynq.Context, task: asynq.Task) -> None:
        noted = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(noted, f"{asynq.get_task_id(ctx)} {(task.payload or b'').decode()}\n".encode())
        os.close(noted)

    config = asynq.Config(
        concurrency=2,
        group_aggregator=join,
        group_grace_period=1,
        group_max_size=7,
        retry_delay_func=lambda retried, error, task: 1,
        log_level="error",
    )
    asynq.Server(url, config).run(mux)


if __name__ == "__main__":
    main(*sys.argv[1:])
