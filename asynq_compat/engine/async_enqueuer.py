"""How do many coroutines' enqueues become one batch?

Contract: belongs to one event loop; the broker's calls run on one thread beside it. What comes while a batch is away forms the next one;
where tasks come one by one the first may wait a moment for others (rules/company.py).
Not obvious: a module of its own, since asyncio is slow to import and a plain client does without.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor

from asynq_compat.engine.enqueuer import BATCH_MAX
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, Producing
from asynq_compat.rules.company import Company


class AsyncEnqueuer:
    """Puts the enqueues of many coroutines together. Used on one event loop; the calls run on `executor`.

    Args:
        company: Says how long a task waits for others.
    """

    def __init__(self, producing: Producing, executor: Executor, company: Company) -> None:
        self._producing = producing
        self._company = company
        self._executor = executor
        self._waiting: deque[tuple[EnqueueRequest, asyncio.Future[EnqueueOutcome]]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def enqueue(self, request: EnqueueRequest) -> EnqueueOutcome:
        """Store the request, together with those of other coroutines; return its outcome.

        A caller that is cancelled does not take its request back: it may be stored.

        Raises:
            BrokerUnavailableError: No answer for the batch it was in.
        """
        future: asyncio.Future[EnqueueOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._sender is None:
            # Its first step comes behind all coroutines that are ready now: their requests are in the first batch.
            self._sender = asyncio.create_task(self._send_all(), name="asynq-enqueuer")
        return await future

    async def drain(self) -> None:
        """Return when nothing is waiting to be sent."""
        while self._sender is not None:
            await asyncio.wait([self._sender])

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._wait_for_company()
                await self._send([self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))])
        finally:
            self._sender = None

    async def _wait_for_company(self) -> None:
        count = len(self._waiting)
        if wait_s := self._company.wait_s(time.monotonic(), count):
            await asyncio.sleep(wait_s)
            self._company.came(time.monotonic(), len(self._waiting) - count)

    async def _send(self, batch: Sequence[tuple[EnqueueRequest, asyncio.Future[EnqueueOutcome]]]) -> None:
        requests = [request for request, _ in batch]
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._producing.enqueue, requests
            )
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
