"""How do many small tasks become one?

`Group("name")` lets a task wait for others of its group. A server with a `group_aggregator` makes one task of them when there are
`group_max_size`, or when none has come for `group_grace_period`. Run: python examples/aggregation.py
"""

from __future__ import annotations

import threading

import asynq_compat as asynq

QUEUE = "example-aggregation"
mux = asynq.ServeMux()
ran = threading.Event()


def digest(group: str, tasks: list[asynq.Task]) -> asynq.Task:
    """One mail in place of many notifications."""
    lines = sorted((task.payload or b"").decode() for task in tasks)
    return asynq.Task("mail:digest", f"{group}: {', '.join(lines)}".encode())


@mux.on("mail:digest")
def send(ctx: asynq.Context, task: asynq.Task) -> None:
    """Send one mail."""
    print(f"one mail to {(task.payload or b'').decode()}")
    ran.set()


def main() -> None:
    """Enqueue three notifications for one user, send one mail."""
    with asynq.Client() as client, asynq.Inspector() as inspector:
        for event in ("a comment", "a follower", "a like"):
            client.enqueue(asynq.Task("notify", event.encode()), queue=QUEUE, group="user-42")
        for one in inspector.groups(QUEUE):
            print(f"{one.size} tasks wait in group {one.group}")
    config = asynq.Config(queues={QUEUE: 1}, group_aggregator=digest, group_max_size=3, group_grace_period=2)
    server = asynq.Server(config=config)
    server.start(mux)
    assert ran.wait(60)
    server.shutdown()


if __name__ == "__main__":
    main()
