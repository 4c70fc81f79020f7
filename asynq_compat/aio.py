"""How does an asyncio program hand over tasks?

Contract: one client per event loop. It never blocks the loop: the broker is opened and called on one thread beside it. Coroutines that
enqueue at the same time travel together, so a thousand of them cost a few calls.
Not obvious: an `enqueue` that is cancelled may be stored all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar, Unpack

from asynq_compat.client import as_items, check_context, refusal, told, with_keywords
from asynq_compat.compose import EnqueueItem, compose, compose_many
from asynq_compat.connect import BrokerTarget, check_target, clock_for, open_broker, redis_client_opt
from asynq_compat.context import Context
from asynq_compat.engine.async_enqueuer import AsyncEnqueuer
from asynq_compat.errors import AsynqError, ServerStateError
from asynq_compat.options import Option, OptionKeywords
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.company import Company
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.task import Task, TaskInfo

_T = TypeVar("_T")


@suggesting_fields
class AsyncClient:
    """Enqueues tasks from coroutines. ``async with AsyncClient(...) as client:`` closes it. Takes what `Client` takes."""

    def __init__(self, target: BrokerTarget = None, *, clock: Clock | None = None, replica: bool = False) -> None:
        check_target(target)  # what stands for no broker is refused here, not at the first task
        self._target = target
        self._open_broker = lambda: open_broker(target, clock=clock, replica=replica)
        self._clock = clock_for(clock)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="asynq-aio")
        self._opening: asyncio.Future[Broker] | None = None
        self._enqueuer: AsyncEnqueuer | None = None
        self._is_closed = False

    @classmethod
    def from_redis_client(cls, redis_client: object, *, clock: Clock | None = None) -> Self:
        """Make a client that talks to the Redis of a plain client of redis-py; as `Client.from_redis_client`. Its end leaves that one as it is."""
        return cls(redis_client_opt(redis_client), clock=clock)

    async def enqueue(
        self, task: Task, *options: Option, context: Context | None = None, **keywords: Unpack[OptionKeywords]
    ) -> TaskInfo:
        """Store a task and return what is known about it; as `Client.enqueue`."""
        request, info = compose(task, with_keywords(options, keywords), self._clock.now_ns())
        check_context(context)
        await self._open()
        assert self._enqueuer is not None
        error = refusal(request, await self._enqueuer.enqueue(request))
        if error is not None:
            raise error
        return info

    async def enqueue_many(
        self, items: Iterable[EnqueueItem], *options: Option, **keywords: Unpack[OptionKeywords]
    ) -> list[TaskInfo | AsynqError]:
        """Store many tasks in one batch; as `Client.enqueue_many`."""
        requests, results = compose_many(as_items(items), with_keywords(options, keywords), self._clock.now_ns())
        broker = await self._open()
        if not requests:
            return results
        return told(requests, results, await self._run(lambda: broker.producing.enqueue(requests)))

    async def ping(self) -> None:
        """Ask the broker whether it answers.

        Raises:
            BrokerUnavailableError: It does not.
        """
        await self._run((await self._open()).ping)

    async def aclose(self) -> None:
        """Wait for what is being sent, and let go of the broker unless it was passed in open. Legal twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._enqueuer is not None:
            await self._enqueuer.drain()
        if self._opening is not None:
            try:
                broker = await self._opening
            except AsynqError:
                pass  # it was never open
            else:
                if not isinstance(self._target, Broker):
                    await self._run(broker.close)
        self._executor.shutdown(wait=False)

    async def _open(self) -> Broker:
        self._check_open()
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.ensure_future(self._run(self._open_broker))
        broker = await asyncio.shield(self._opening)
        # Closed meanwhile. If not, the caller's next step goes to the thread before `aclose` can: that waits for it.
        self._check_open()
        if self._enqueuer is None:
            self._enqueuer = AsyncEnqueuer(broker.producing, self._executor, Company(broker.company_s))
        return broker

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServerStateError("the client is closed; make another AsyncClient")

    async def _run(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
