"""What does a worker do that may be killed at any moment?

Run as `python -m tests.chaos.work PROCESSES URL LEDGER`. Each attempt is noted when its handler begins and when it ends. Every other kind is handled
by a coroutine. On SIGUSR1 it notes what its own replica says of the queue. Checkpoints are written every few seconds, small ones by
itself, larger ones by a process beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import threading
from pathlib import Path

import asynq_compat as asynq
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.open import open_journal
from tests.chaos.ledger import Ledger
from tests.interop.keeper_story import store_of

QUEUE = "default"
SLOTS = 16
LASTS_S = 0.01
RETRY_DELAY_S = 1
SHUTDOWN_TIMEOUT_S = 5.0
# A server says within a second of an assignment what it has started: what is deadly later than that is known to have been started.
DEADLY_AFTER_S = 1.5
KEEPING = Keeping(tail_bytes_min=50_000, stays_s=10.0, inline_bytes_max=400_000, look_every_s=0.25)


class Work:
    """The handlers of one worker."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def mux(self) -> asynq.ServeMux:
        """Return the handlers by kind."""
        mux = asynq.ServeMux()
        for kind in ("plain", "delayed", "large"):
            mux.handle_func(kind, self._plain)
        for kind in ("unique", "kept"):
            mux.handle_func(kind, self._async)
        mux.handle_func("failing", self._failing)
        mux.handle_func("refused", self._refused)
        mux.handle_func("deadly", self._deadly)  # and what begins like it
        return mux

    def _note(self, ctx: asynq.Context, task: asynq.Task, event: str, *, durable: bool = False) -> None:
        attempt = asynq.get_retry_count(ctx) or 0
        task_id = asynq.get_task_id(ctx) or ""
        self._ledger.note(event=event, id=task_id, kind=task.type, attempt=attempt, durable=durable)

    def _plain(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task, "start")
        payload = task.payload or b""
        if task.type == "large" and hashlib.sha256(payload[64:]).hexdigest().encode() != payload[:64]:
            raise asynq.SkipRetry("another payload than was enqueued")
        ctx.wait(LASTS_S)
        self._note(ctx, task, "end")

    async def _async(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task, "start")
        await asyncio.sleep(LASTS_S)
        self._note(ctx, task, "end")

    def _failing(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task, "start")
        if not asynq.get_retry_count(ctx):
            self._note(ctx, task, "failed")
            raise RuntimeError("the first time it fails")
        self._note(ctx, task, "end")

    def _refused(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task, "start")
        self._note(ctx, task, "end")
        raise asynq.SkipRetry("nobody wants it")

    def _deadly(self, ctx: asynq.Context, task: asynq.Task) -> None:
        """End the whole process: at once if the task is of that sort ("deadly at once"), else when the queue knows that it runs."""
        self._note(ctx, task, "start")
        if task.type == "deadly":
            ctx.wait(DEADLY_AFTER_S)
        self._note(ctx, task, "kills", durable=True)
        os.kill(os.getpid(), signal.SIGKILL)


def retry_delay(retried: int, error: Exception, task: asynq.Task) -> float:
    """A failed task runs again soon."""
    del retried, error, task
    return RETRY_DELAY_S


def view_of(inspector: asynq.Inspector) -> str:
    """Return what is said of the queue at rest, in one line."""
    info = inspector.get_queue_info(QUEUE)
    counts = (info.size, info.completed, info.archived, info.processed_total, info.failed_total, info.unreadable)
    tasks = [
        (task.id, str(task.state), task.retried, task.last_err, task.payload)
        for listed in (inspector.list_completed_tasks, inspector.list_archived_tasks)
        for task in listed(QUEUE, page_size=0)
    ]
    return f"{counts} {hashlib.sha256(repr(sorted(tasks)).encode()).hexdigest()}"


def _tell_views(inspector: asynq.Inspector, ledger: Ledger) -> None:
    while True:
        signal.sigwait({signal.SIGUSR1})
        ledger.note(event="view", view=view_of(inspector))


def main(processes: str, url: str, path: str) -> None:
    """Serve until a signal, with handlers in so many processes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    ledger = Ledger(Path(path))
    broker = open_journal(store_of(url), keeping=KEEPING)
    threading.Thread(target=_tell_views, args=(asynq.Inspector(broker), ledger), name="views", daemon=True).start()
    config = asynq.Config(
        concurrency=SLOTS,
        processes=int(processes),
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        retry_delay_func=retry_delay,
    )
    try:
        asynq.Server(broker, config).run(Work(ledger).mux())
    except asynq.BrokerUnavailableError as error:  # As it starts; the fleet knows whether that is excused.
        sys.exit(f"cannot start: {error}")
    broker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
