"""How is the evening's work done?

Run by `python -m examples.demo`, one process per worker. Coroutines and plain functions serve side by side.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
from pathlib import Path

import asynq_compat as asynq
from examples.demo.plan import QUEUES, Ledger

WORDS = ["invoice", "parcel", "customer", "discount", "basket", "order", "return", "refund", "stock", "shelf", "label"]


class Evening:
    """The handlers; every end of an attempt is noted in this worker's ledger."""

    def __init__(self, state: Path, name: str) -> None:
        self._state = state
        self._name = name
        self._ledger = Ledger(state / f"worker-{name}.jsonl")
        (state / "documents").mkdir(exist_ok=True)

    def mux(self) -> asynq.ServeMux:
        """Return the handlers by task type."""
        mux = asynq.ServeMux()
        mux.use(self._noting)
        mux.handle_func("document:compress", self._compress)
        mux.handle_func("document:expire", self._expire)
        mux.handle_func("index:rebuild", self._rebuild)
        mux.handle_func("mail:notify", self._notify)
        mux.handle_func("mail:bounce", self._bounce)
        return mux

    def _noting(self, handler: asynq.HandlerFunc) -> asynq.HandlerFunc:
        """Middleware: note who ran what, and how it ended."""

        def noted(ctx: asynq.Context, task: asynq.Task) -> None:
            attempt = (asynq.get_retry_count(ctx) or 0) + 1
            outcome = "done"
            try:
                handler(ctx, task)
            except asynq.SkipRetry:
                outcome = "archived"
                raise
            except Exception:
                outcome = "failed"
                raise
            finally:
                self._ledger.add(
                    id=asynq.get_task_id(ctx) or "", type=task.type, worker=self._name, attempt=attempt, outcome=outcome
                )

        return noted

    def _compress(self, ctx: asynq.Context, task: asynq.Task) -> None:
        """Write a document and compress it."""
        n = _number(task)
        words = random.Random(n).choices(WORDS, k=20_000)
        target = self._state / "documents" / f"{n:04}.gz"
        target.write_bytes(gzip.compress(" ".join(words).encode(), mtime=0))

    def _expire(self, ctx: asynq.Context, task: asynq.Task) -> None:
        """Note that a document is old."""
        (self._state / "documents" / f"{_number(task):04}.gz").touch()

    def _rebuild(self, ctx: asynq.Context, task: asynq.Task) -> None:
        """Count what is there; asked for many times, run once."""
        assert task.result_writer  # there is one in a handler
        task.result_writer.write(str(len(list((self._state / "documents").glob("*.gz")))).encode())

    async def _notify(self, ctx: asynq.Context, task: asynq.Task) -> None:
        """Send a mail; every fourth finds the mail server busy the first time."""
        await asyncio.sleep(0.05)
        if _number(task) % 4 == 0 and asynq.get_retry_count(ctx) == 0:
            raise ConnectionError("the mail server is busy")

    def _bounce(self, ctx: asynq.Context, task: asynq.Task) -> None:
        """Find that the address does not exist: no use to try again."""
        raise asynq.SkipRetry("the address does not exist")


def _number(task: asynq.Task) -> int:
    return int(json.loads(task.payload or b"{}").get("n", 0))


def work(state: Path, name: str) -> None:
    """Serve until told to stop."""
    config = asynq.Config(concurrency=4, queues=QUEUES, retry_delay_func=lambda retried, error, task: 1)
    asynq.Server(asynq.EmbeddedOpt(state / "tasks.db"), config).run(Evening(state, name).mux())


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
