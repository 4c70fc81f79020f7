"""What does a worker process do whose fate a test decides?

Run as `python -m tests.interop.worker_program URL FOLDER NAME`. Each handler notes its start and its end in FOLDER/ledger.jsonl: task,
worker, attempt. `hold` stays in its first attempt until FOLDER/release exists; `fail` fails once; the others end at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import asynq_compat as asynq

SLOTS = 16
RETRY_DELAY_S = 1
SHUTDOWN_TIMEOUT_S = 5.0


class Work:
    """The handlers of one worker."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._released = folder / "release"
        self._ledger = os.open(folder / "ledger.jsonl", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def mux(self) -> asynq.ServeMux:
        """Return the handlers by task type."""
        mux = asynq.ServeMux()
        mux.handle_func("hold", self._hold)
        mux.handle_func("fail", self._fail)
        mux.handle_func("plain", self._plain)
        mux.handle_func("async", self._async)
        return mux

    def _note(self, ctx: asynq.Context, event: str) -> None:
        # One write with O_APPEND: lines of several processes do not mix, and a killed process has written it or not.
        line = {
            "id": asynq.get_task_id(ctx),
            "worker": self._name,
            "attempt": asynq.get_retry_count(ctx),
            "event": event,
        }
        os.write(self._ledger, json.dumps(line).encode() + b"\n")

    def _hold(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, "start")
        while not (asynq.get_retry_count(ctx) or self._released.exists() or ctx.cancelled()):
            ctx.wait(0.05)
        self._note(ctx, "cancelled" if ctx.cancelled() else "end")

    def _fail(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, "start")
        if not asynq.get_retry_count(ctx):
            self._note(ctx, "failed")
            raise RuntimeError("the first time it fails")
        self._note(ctx, "end")

    def _plain(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, "start")
        self._note(ctx, "end")

    async def _async(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, "start")
        await asyncio.sleep(0.002)
        self._note(ctx, "end")


def main(url: str, folder: str, name: str) -> None:
    """Serve until a signal."""
    config = asynq.Config(
        concurrency=SLOTS,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        retry_delay_func=lambda retried, error, task: RETRY_DELAY_S,
    )
    asynq.Server(url, config).run(Work(Path(folder), name).mux())


if __name__ == "__main__":
    main(*sys.argv[1:])
