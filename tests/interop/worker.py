"""What does a Python server look like that a test can kill?

A program: ``python -m tests.interop.worker URL CONCURRENCY``. It serves the queue "default" and tells what it does as JSON lines, as the
oracle does: `start` when a handler begins, `end` when it returns. A task of type "hang" stays until it is cancelled, any other waits for as
many milliseconds as its payload says and ends well. It ends with SIGTERM.
"""

from __future__ import annotations

import json
import os
import sys
import threading

import asynq_compat as asynq

_output = threading.Lock()


def tell(event: str, ctx: asynq.Context) -> None:
    line = json.dumps({"event": event, "task_id": asynq.get_task_id(ctx), "retried": asynq.get_retry_count(ctx)})
    with _output:
        os.write(1, line.encode() + b"\n")  # One write: a killed process leaves no half line.


def handle(ctx: asynq.Context, task: asynq.Task) -> None:
    tell("start", ctx)
    if task.type == "hang":
        ctx.wait(600)
        raise RuntimeError("hung")
    ctx.wait(int(task.payload or b"0") / 1000)
    tell("end", ctx)


def main() -> None:
    url, concurrency = sys.argv[1:]
    config = asynq.Config(
        concurrency=int(concurrency),
        retry_delay_func=lambda _retried, _error, _task: 0,
        delayed_task_check_interval=1,
        log_level="error",
    )
    server = asynq.Server(url, config)
    server.run(handle)


if __name__ == "__main__":
    main()
