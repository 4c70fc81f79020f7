"""How does a program look at its queues, and put right what went wrong?

An outage of a mail server has archived a day's mails. `Inspector` counts them, looks at one, runs all of them again, and changes one that
is to be sent later. Run: python examples/inspector.py
"""

from __future__ import annotations

import threading

import asynq_compat as asynq

QUEUE = "example-inspector"
MAILS = 5
mux = asynq.ServeMux()
server_is_down = threading.Event()


@mux.on("mail")
def mail(ctx: asynq.Context, task: asynq.Task) -> None:
    """Fail for good while the mail server is down."""
    if server_is_down.is_set():
        raise asynq.SkipRetry("connection refused")


def main() -> None:
    """Lose some mails, find them, send them."""
    server_is_down.set()
    server = asynq.Server(config=asynq.Config(queues={QUEUE: 1}, log_level="fatal"))
    server.start(mux)
    with asynq.Client() as client, asynq.Inspector() as inspector:
        for number in range(MAILS):
            client.enqueue(asynq.Task("mail", b"%d" % number), queue=QUEUE, retention=3600)
        wait_until_counted(inspector, archived=MAILS)
        lost = inspector.list_archived_tasks(QUEUE, page_size=1)[0]
        print(f"{inspector.get_queue_info(QUEUE).archived} mails lost, the first one: {lost.last_err}")

        server_is_down.clear()
        count = inspector.run_all_archived_tasks(QUEUE, progress=lambda so_far: print(f"run again so far: {so_far}"))
        wait_until_counted(inspector, completed=count)
        today = inspector.history(QUEUE, 1)[0]
        print(f"today {today.processed} attempts, {today.failed} of them failed")

        later = client.enqueue(asynq.Task("mail", b"Dear Ms Miller"), queue=QUEUE, process_in=3600)
        inspector.update_task_payload(QUEUE, later.id, b"Dear Dr Miller")
        print(f"later: {inspector.get_task_info(QUEUE, later.id).payload!r}")
        (told,) = wait_until_told(inspector)
        print(f"server {told.id} has {told.concurrency} slots and works on {len(told.active_workers)} tasks")

        server.shutdown()
        inspector.delete_queue(QUEUE, force=True)
        print(f"the queue is there: {QUEUE in inspector.queues()}")


def wait_until_told(inspector: asynq.Inspector) -> list[asynq.ServerInfo]:
    """Return what servers of the queue have told; each does so when it starts, and every five seconds."""
    looking = threading.Event()
    for _ in range(3_000):
        told = [one for one in inspector.servers() if QUEUE in one.queues]
        if told and not told[0].active_workers:
            return told
        looking.wait(0.01)
    raise TimeoutError("no server has told of itself for half a minute")


def wait_until_counted(inspector: asynq.Inspector, **counts: int) -> None:
    """Return when the queue has so many tasks in each of these states."""
    looking = threading.Event()
    for _ in range(3_000):
        info = inspector.get_queue_info(QUEUE)
        if all(getattr(info, state) == count for state, count in counts.items()):
            return
        looking.wait(0.01)
    raise TimeoutError(f"not within half a minute: {counts}")


if __name__ == "__main__":
    main()
