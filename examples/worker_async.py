"""How does a program run tasks with coroutines?

Run: python examples/worker_async.py   (Ctrl-C or SIGTERM ends it gracefully)
"""

from __future__ import annotations

import asyncio
import json

import asynq_compat as asynq

mux = asynq.ServeMux()


@mux.on("email:")
async def deliver(ctx: asynq.Context, task: asynq.Task) -> None:
    """Handle every type that begins with `email:`; all run on one event loop."""
    async with asyncio.timeout(5):
        await asyncio.sleep(0.01)  # where a real program would await its mail server
    user_id = json.loads(task.payload or b"{}")["user_id"]
    print(f"{task.type} to user {user_id}, attempt {(asynq.get_retry_count(ctx) or 0) + 1}\n", end="", flush=True)


if __name__ == "__main__":
    asynq.Server(config=asynq.Config(concurrency=100, queues={"critical": 6, "default": 3})).run(mux)
