"""What happens when a handler fails?

It is retried after a delay (Asynq's by default, here one second), until its retries are used up; then it is archived. `SkipRetry`
archives at once. Run: python examples/retries.py
"""

from __future__ import annotations

import threading

import asynq_compat as asynq

QUEUE = "example-retries"
mux = asynq.ServeMux()
recovered = threading.Event()
gave_up = threading.Event()


@mux.on("flaky")
def flaky(ctx: asynq.Context, task: asynq.Task) -> None:
    """Fail at the first attempt, succeed at the second."""
    if asynq.get_retry_count(ctx) == 0:
        raise ConnectionError("the mail server is busy")
    print(f"{task.type}: done at attempt {(asynq.get_retry_count(ctx) or 0) + 1}")
    recovered.set()


@mux.on("hopeless")
def hopeless(ctx: asynq.Context, task: asynq.Task) -> None:
    """Know that another attempt would be in vain."""
    gave_up.set()
    raise asynq.SkipRetry("the address does not exist")


def main() -> None:
    """Run a flaky and a hopeless task to their ends."""
    config = asynq.Config(queues={QUEUE: 1}, retry_delay_func=lambda retried, error, task: 1)
    server = asynq.Server(config=config)
    server.start(mux)
    with asynq.Client() as client:
        client.enqueue(asynq.Task("flaky"), queue=QUEUE)
        hopeless_info = client.enqueue(asynq.Task("hopeless"), queue=QUEUE)
    assert recovered.wait(30)
    assert gave_up.wait(30)
    server.shutdown()

    with asynq.Inspector() as inspector:
        archived = inspector.get_task_info(QUEUE, hopeless_info.id)
        print(f"{archived.type}: {archived.state}, last error: {archived.last_err}")
        inspector.delete_task(QUEUE, archived.id)


if __name__ == "__main__":
    main()
