"""How does a client enqueue within a trace?

Contract: as `Client` and `AsyncClient`; what they raise is raised. The task that is passed in is not changed: what is sent is a copy of it with
the headers of the span. Headers of the same name that the task has are replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, Self

from asynq_compat.compose import EnqueueItem
from asynq_compat.errors import AsynqError
from asynq_compat.options import Option, OptionType
from asynq_compat.task import Task, TaskInfo

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_QUEUE_DEFAULT = "default"


class SupportsSending(Protocol):
    """What is asked of a `Tracing`."""

    def sending(self, queue: str, count: int) -> AbstractContextManager[tuple[Span, Mapping[str, str]]]:
        """Give a span for so many tasks, and the headers that carry it on."""


class SupportsEnqueue(Protocol):
    """What is asked of a `Client`."""

    @property
    def enqueue(self) -> Callable[..., TaskInfo]:
        """Store a task."""

    @property
    def enqueue_many(self) -> Callable[..., list[TaskInfo | AsynqError]]:
        """Store many."""


class SupportsEnqueueAsync(Protocol):
    """What is asked of an `AsyncClient`."""

    @property
    def enqueue(self) -> Callable[..., Coroutine[Any, Any, TaskInfo]]:
        """Store a task."""

    @property
    def enqueue_many(self) -> Callable[..., Coroutine[Any, Any, list[TaskInfo | AsynqError]]]:
        """Store many."""


class TracedClient:
    """A client whose enqueues are spans; made by `Tracing.client`."""

    def __init__(self, tracing: SupportsSending, client: SupportsEnqueue) -> None:
        self._tracing = tracing
        self._client = client

    def enqueue(self, task: Task, *options: Option, **keywords: Any) -> TaskInfo:
        """Store a task; as `Client.enqueue`."""
        with self._tracing.sending(_queue_of([task], options, keywords), 1) as (span, headers):
            info = self._client.enqueue(_with_headers(task, headers), *options, **keywords)
            span.set_attributes(_of_task(info))
            return info

    def enqueue_context(self, context: object, task: Task, *options: Option, **keywords: Any) -> TaskInfo:
        """Do what `enqueue` does, with Go's order of arguments."""
        return self.enqueue(task, *options, context=context, **keywords)

    def enqueue_many(
        self, items: Iterable[EnqueueItem], *options: Option, **keywords: Any
    ) -> list[TaskInfo | AsynqError]:
        """Store many tasks in one batch, one span for all; as `Client.enqueue_many`."""
        given = list(items)
        with self._tracing.sending(_queue_of(given, options, keywords), len(given)) as (_, headers):
            return self._client.enqueue_many(_all_with_headers(given, headers), *options, **keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()  # type: ignore[attr-defined]  # a Client's


class TracedAsyncClient:
    """An async client whose enqueues are spans; made by `Tracing.client`."""

    def __init__(self, tracing: SupportsSending, client: SupportsEnqueueAsync) -> None:
        self._tracing = tracing
        self._client = client

    async def enqueue(self, task: Task, *options: Option, **keywords: Any) -> TaskInfo:
        """Store a task; as `AsyncClient.enqueue`."""
        with self._tracing.sending(_queue_of([task], options, keywords), 1) as (span, headers):
            info = await self._client.enqueue(_with_headers(task, headers), *options, **keywords)
            span.set_attributes(_of_task(info))
            return info

    async def enqueue_many(
        self, items: Iterable[EnqueueItem], *options: Option, **keywords: Any
    ) -> list[TaskInfo | AsynqError]:
        """Store many tasks in one batch, one span for all; as `AsyncClient.enqueue_many`."""
        given = list(items)
        with self._tracing.sending(_queue_of(given, options, keywords), len(given)) as (_, headers):
            return await self._client.enqueue_many(_all_with_headers(given, headers), *options, **keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()  # type: ignore[attr-defined]  # an AsyncClient's


def _queue_of(items: Sequence[EnqueueItem], options: Sequence[Option], keywords: Mapping[str, Any]) -> str:
    """Return the queue that is asked for last; of tasks for different queues that of the first. What is wrong is the client's to say."""
    queue = _QUEUE_DEFAULT
    first = items[0] if items else None
    task, own = (first[0], first[1:]) if isinstance(first, tuple) and first else (first, ())
    for option in (*getattr(task, "options", ()), *options, ("queue", keywords.get("queue")), *own):
        if isinstance(option, Option) and option.type is OptionType.QUEUE:
            queue = option.text
        elif isinstance(option, tuple) and isinstance(option[1], str):
            queue = option[1]
    return queue


def _with_headers(task: Any, headers: Mapping[str, str]) -> Any:
    if not isinstance(task, Task):
        return task  # The client says what is wrong with it.
    return Task(task.type, task.payload, *task.options, headers={**(task.headers or {}), **headers})


def _all_with_headers(items: Sequence[EnqueueItem], headers: Mapping[str, str]) -> list[EnqueueItem]:
    return [
        (_with_headers(item[0], headers), *item[1:])
        if isinstance(item, tuple) and item
        else _with_headers(item, headers)
        for item in items
    ]


def _of_task(info: TaskInfo) -> dict[str, str | int]:
    return {
        "messaging.message.id": info.id,
        "messaging.message.body.size": len(info.payload or b""),
        "asynq.task.type": info.type,
    }
