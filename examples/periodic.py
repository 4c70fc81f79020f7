"""How is a task enqueued again and again?

A scheduler enqueues, servers run. `elect=True`: start it on as many machines as you like, each firing happens once.
Run: python examples/periodic.py
"""

from __future__ import annotations

import threading

import asynq_compat as asynq

QUEUE = "example-periodic"
mux = asynq.ServeMux()
ran = threading.Semaphore(0)


@mux.on("report")
def report(ctx: asynq.Context, task: asynq.Task) -> None:
    """Say that it ran."""
    print(f"{task.type} ran, enqueued by a schedule\n", end="", flush=True)
    ran.release()


def main() -> None:
    """Let a report be made every second by whichever of two schedulers, and wait for two of them."""
    server = asynq.Server(config=asynq.Config(queues={QUEUE: 1}))
    server.start(mux)
    opts = asynq.SchedulerOpts(location="Europe/Berlin", heartbeat_interval=1, elect=True)
    schedulers = [asynq.Scheduler(opts=opts) for _ in range(2)]
    for scheduler in schedulers:
        scheduler.register("@every 1s", asynq.Task("report"), queue=QUEUE)
        scheduler.register("0 8 * * mon-fri", asynq.Task("report", b"workdays at eight in Berlin"), queue=QUEUE)
        scheduler.start()
    for _ in range(2):
        assert ran.acquire(timeout=30)
    with asynq.Inspector() as inspector:
        while not (entries := inspector.scheduler_entries()):  # Published a second after the start.
            assert ran.acquire(timeout=30)
    print(f"fires next: {min(entry.next for entry in entries if entry.next)}")
    for scheduler in schedulers:
        scheduler.shutdown()
    server.shutdown()


if __name__ == "__main__":
    main()
