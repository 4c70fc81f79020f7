"""How do tasks of all workers together keep to a limit?

A `Semaphore` has so many tokens, for all processes on the broker (on Redis for Go's `rate.Semaphore` too). Who gets none says so by an
error of its own: it is no failure, and the task comes again soon. Run: python examples/rate_limit.py
"""

from __future__ import annotations

import threading

import asynq_compat as asynq

QUEUE = "example-rate-limit"
TASKS = 5
mux = asynq.ServeMux()
counting = threading.Lock()
at_work: list[str] = []
most: list[int] = []
served = threading.Semaphore(0)


class RateLimitedError(Exception):
    """All tokens are held: come again later."""


def main() -> None:
    """Let five tasks, on five slots, call a service that takes two at a time."""
    config = asynq.Config(
        concurrency=5,
        queues={QUEUE: 1},
        is_failure=lambda error: not isinstance(error, RateLimitedError),
        retry_delay_func=lambda retried, error, task: 1,
    )
    with asynq.Semaphore(None, "the mail service", max_tokens=2) as semaphore:

        @mux.on("mail")
        def mail(ctx: asynq.Context, task: asynq.Task) -> None:
            if not semaphore.acquire(ctx):  # In an `async def` handler: await semaphore.acquire_async(ctx)
                raise RateLimitedError
            try:
                with counting:
                    at_work.append(str(ctx.task_id))
                    most.append(len(at_work))
                ctx.wait(0.3)
                with counting:
                    at_work.remove(str(ctx.task_id))
            finally:
                semaphore.release(ctx)
            served.release()

        server = asynq.Server(config=config)
        server.start(mux)
        with asynq.Client() as client:
            client.enqueue_many([asynq.Task("mail") for _ in range(TASKS)], queue=QUEUE)
        assert all(served.acquire(timeout=30) for _ in range(TASKS))
        server.shutdown()
    print(f"{TASKS} mails sent, at most {max(most)} at a time")


if __name__ == "__main__":
    main()
