"""How does one keep a task from being enqueued twice?

`Unique(ttl)` holds a lock over queue, type and payload until the task succeeds or the ttl is over; `TaskID` makes the id itself the
guard. Run: python examples/unique.py
"""

from __future__ import annotations

import threading

import asynq_compat as asynq

QUEUE = "example-unique"
mux = asynq.ServeMux()
ran = threading.Event()


@mux.on("reindex")
def reindex(ctx: asynq.Context, task: asynq.Task) -> None:
    """Run once, however often it was asked for."""
    print("reindexed")
    ran.set()


def main() -> None:
    """Ask three times, run once."""
    with asynq.Client() as client:
        client.enqueue(asynq.Task("reindex", b"catalogue"), queue=QUEUE, unique=60)
        for _ in range(2):
            try:
                client.enqueue(asynq.Task("reindex", b"catalogue"), queue=QUEUE, unique=60)
            except asynq.DuplicateTaskError as error:
                print(f"refused: {error}")
    server = asynq.Server(config=asynq.Config(queues={QUEUE: 1}))
    server.start(mux)
    assert ran.wait(30)
    server.shutdown()


if __name__ == "__main__":
    main()
