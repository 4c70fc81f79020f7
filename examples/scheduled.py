"""How does a task run later?

`process_in` counts from now, `process_at` names the instant (an aware datetime or Unix seconds). Run: python examples/scheduled.py
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import asynq_compat as asynq

QUEUE = "example-scheduled"
mux = asynq.ServeMux()
ran = threading.Semaphore(0)


@mux.on("report")
def report(ctx: asynq.Context, task: asynq.Task) -> None:
    """Say when it ran."""
    print(f"{(task.payload or b'').decode()} ran at {datetime.now(UTC):%H:%M:%S}\n", end="", flush=True)
    ran.release()


def main() -> None:
    """Schedule two reports and wait for both."""
    server = asynq.Server(config=asynq.Config(queues={QUEUE: 1}))
    server.start(mux)
    with asynq.Client() as client:
        first = client.enqueue(asynq.Task("report", b"in two seconds"), queue=QUEUE, process_in=2)
        at = datetime.now(UTC) + timedelta(seconds=3)
        client.enqueue(asynq.Task("report", b"at an instant"), asynq.ProcessAt(at), asynq.Queue(QUEUE))
        print(f"the first is {first.state} for {first.next_process_at:%H:%M:%S}")
    for _ in range(2):
        assert ran.acquire(timeout=30)
    server.shutdown()


if __name__ == "__main__":
    main()
