"""How does a program run tasks with plain functions?

Run: python examples/worker_sync.py   (Ctrl-C or SIGTERM ends it gracefully)
"""

from __future__ import annotations

import json

import asynq_compat as asynq

mux = asynq.ServeMux()


@mux.on("email:")
def deliver(ctx: asynq.Context, task: asynq.Task) -> None:
    """Handle every type that begins with `email:`; each call runs on a thread of its own."""
    user_id = json.loads(task.payload or b"{}")["user_id"]
    print(f"{task.type} to user {user_id}, attempt {(asynq.get_retry_count(ctx) or 0) + 1}\n", end="", flush=True)


if __name__ == "__main__":
    asynq.Server(config=asynq.Config(concurrency=10, queues={"critical": 6, "default": 3})).run(mux)
