"""What happens to running tasks when a worker is told to stop?

`shutdown` takes no more, waits up to `shutdown_timeout` for running handlers, and puts back what did not end in time: next in line,
uncounted. A handler can notice through its context. Run: python examples/graceful_shutdown.py
"""

from __future__ import annotations

import threading

import asynq_compat as asynq

QUEUE = "example-shutdown"
started = threading.Event()
stubborn_ended = threading.Event()


def patient(ctx: asynq.Context, task: asynq.Task) -> None:
    """Work until told to stop."""
    started.set()
    if ctx.wait(30):
        print("told to stop: cleaning up")
    stubborn_ended.set()


def finish(ctx: asynq.Context, task: asynq.Task) -> None:
    """Finish what the first server could not."""
    print(f"{task.type} finished by the second server, retried {asynq.get_retry_count(ctx)} times")
    started.set()


def main() -> None:
    """Interrupt a long task, then let another server finish it."""
    with asynq.Client() as client:
        client.enqueue(asynq.Task("long"), queue=QUEUE)
    first = asynq.Server(config=asynq.Config(queues={QUEUE: 1}, shutdown_timeout=0.2))
    first.start(patient)
    assert started.wait(30)
    first.shutdown()
    assert stubborn_ended.wait(30)

    started.clear()
    second = asynq.Server(config=asynq.Config(queues={QUEUE: 1}))
    second.start(finish)
    assert started.wait(30)
    second.shutdown()


if __name__ == "__main__":
    main()
