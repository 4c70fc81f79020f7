"""What does a worker do that may be killed at any moment?

Run as `python -m tests.chaos.work URL LEDGER`. Each attempt is noted when its handler begins and when it ends. Every other kind is handled
by a coroutine.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asynq_compat as asynq
from tests.chaos.ledger import Ledger

SLOTS = 16
LASTS_S = 0.01
RETRY_DELAY_S = 1
SHUTDOWN_TIMEOUT_S = 5.0


class Work:
    """The handlers of one worker."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def mux(self) -> asynq.ServeMux:
        """Return the handlers by kind."""
        mux = asynq.ServeMux()
        for kind in ("plain", "delayed"):
            mux.handle_func(kind, self._plain)
        for kind in ("unique", "kept"):
            mux.handle_func(kind, self._async)
        mux.handle_func("failing", self._failing)
        mux.handle_func("refused", self._refused)
        return mux

    def _note(self, ctx: asynq.Context, task: asynq.Task, event: str) -> None:
        attempt = asynq.get_retry_count(ctx) or 0
        self._ledger.note(event=event, id=asynq.get_task_id(ctx) or "", kind=task.type, attempt=attempt)

    def _plain(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task, "start")
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


def main(url: str, path: str) -> None:
    """Serve until a signal."""
    config = asynq.Config(
        concurrency=SLOTS,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        retry_delay_func=lambda retried, error, task: RETRY_DELAY_S,
    )
    asynq.Server(url, config).run(Work(Ledger(Path(path))).mux())


if __name__ == "__main__":
    main(*sys.argv[1:])
