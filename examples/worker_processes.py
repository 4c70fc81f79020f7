"""How does a program run tasks on several cores?

Run: python examples/worker_processes.py   (Ctrl-C or SIGTERM ends it gracefully)
Each of the processes imports this file: handlers stand at its top level, and the server is started under `if __name__ == "__main__"`.
"""

from __future__ import annotations

import hashlib
import json

import asynq_compat as asynq

mux = asynq.ServeMux()


@mux.on("email:")
def deliver(ctx: asynq.Context, task: asynq.Task) -> None:
    """Handle every type that begins with `email:`, with some work for the processor."""
    user_id = json.loads(task.payload or b"{}")["user_id"]
    hashlib.pbkdf2_hmac("sha256", task.payload or b"", b"salt", 10_000)
    print(f"{task.type} to user {user_id}, attempt {(asynq.get_retry_count(ctx) or 0) + 1}\n", end="", flush=True)


if __name__ == "__main__":
    config = asynq.Config(processes=2, concurrency=8, queues={"critical": 6, "default": 3})
    asynq.Server(config=config).run(mux)
