"""Do handlers keep to a limit together?"""

from __future__ import annotations

import asyncio
import threading

import pytest

from asynq_compat.context import Context
from asynq_compat.semaphore import Semaphore
from asynq_compat.servemux import HandlerFunc
from asynq_compat.task import Task
from tests.server.ground import PATIENCE_S, Ground, wait_until

_MAX_TOKENS = 2


class RateLimitedError(Exception):
    """No token was left."""


class Seen:
    """How many were at work at a time, at most, and whether somebody was told no."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = self.most = 0
        self.has_refused = threading.Event()  # Until then holders hold on.

    def begin(self) -> None:
        with self._lock:
            self.count += 1
            self.most = max(self.most, self.count)

    def end(self) -> None:
        with self._lock:
            self.count -= 1

    def refuse(self) -> RateLimitedError:
        self.has_refused.set()
        return RateLimitedError("no token")


def _handlers(semaphore: Semaphore, seen: Seen) -> list[HandlerFunc]:
    def plain(ctx: Context, task: Task) -> None:
        if not semaphore.acquire(ctx):
            raise seen.refuse()
        try:
            seen.begin()
            seen.has_refused.wait(PATIENCE_S)
            seen.end()
        finally:
            semaphore.release(ctx)

    async def coroutine(ctx: Context, task: Task) -> None:
        if not await semaphore.acquire_async(ctx):
            raise seen.refuse()
        try:
            seen.begin()
            await asyncio.to_thread(seen.has_refused.wait, PATIENCE_S)
            seen.end()
        finally:
            await semaphore.release_async(ctx)

    return [plain, coroutine]


@pytest.mark.parametrize("colour", [0, 1])
def test_no_more_tasks_are_at_it_than_there_are_tokens(ground: Ground, colour: int) -> None:
    """Who gets none fails, without that being counted, and comes again."""
    seen = Seen()
    with Semaphore(ground.url, "the mail server", _MAX_TOKENS) as semaphore:
        ids = [ground.enqueue(retry=1) for _ in range(5)]
        with ground.serving(
            _handlers(semaphore, seen)[colour],
            concurrency=5,
            is_failure=lambda error: not isinstance(error, RateLimitedError),
            retry_delay_func=lambda retried, error, task: 0,
        ):
            for task_id in ids:
                ground.wait_for_state(task_id, None)

    assert 1 <= seen.most <= _MAX_TOKENS
    assert seen.has_refused.is_set()


def test_an_async_handler_that_is_cancelled_still_gives_its_token_back(ground: Ground) -> None:
    """Its coroutine goes on to its end; a later attempt finds a token, long before the first one's would have run out."""
    holds, cancelled = threading.Event(), threading.Event()

    async def handler(ctx: Context, task: Task) -> None:
        while not await semaphore.acquire_async(ctx):  # Who was cancelled is perhaps about to give it back.
            await asyncio.sleep(0.01)
        try:
            if not cancelled.is_set():
                holds.set()
                await asyncio.sleep(10 * PATIENCE_S)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        finally:
            await semaphore.release_async(ctx)

    def is_cancelled() -> bool:
        ground.broker.signalling.publish_cancelation(task_id)  # Perhaps again: a server subscribes in the background.
        return cancelled.wait(5)

    with Semaphore(ground.url, "one at a time", 1) as semaphore:
        task_id = ground.enqueue(timeout=1800)
        with ground.serving(handler, retry_delay_func=lambda retried, error, task: 0):
            wait_until(holds.is_set, "the first attempt to have the token")
            wait_until(is_cancelled, "it to be cancelled")
            ground.wait_for_state(task_id, None)
