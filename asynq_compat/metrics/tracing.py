"""How do a task's enqueue and its attempts become one trace?

Contract: opt-in, by the messaging conventions of OpenTelemetry; thread-safe. A client that is wrapped makes a producer's span of each enqueue and puts its
context into the task's headers (``traceparent``), whatever language the worker is in. The middleware makes a consumer's span of each attempt, its child.
Without OpenTelemetry making a `Tracing` fails, and says which extra installs it.
Not obvious: only OpenTelemetry's API is used here. Where spans and metrics go is what the program, or ``opentelemetry-instrument``, has configured.
Source: OpenTelemetry's semantic conventions for messaging; docs/operations.md, "Traces".
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, overload

from asynq_compat.context import Context
from asynq_compat.errors import InvalidArgumentError, RevokeTask
from asynq_compat.metrics.sending import SupportsEnqueue, SupportsEnqueueAsync, TracedAsyncClient, TracedClient
from asynq_compat.rules.limits import shown
from asynq_compat.servemux import HandlerFunc, is_async, of_both_colours
from asynq_compat.task import Task

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

_SCOPE = "asynq_compat"
_SYSTEM = "asynq"
# From a millisecond to ten seconds, as the conventions advise.
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

Attributes = dict[str, str | int]


class Tracing:
    """Makes spans and metrics of what is enqueued and processed.

    Args:
        tracer_provider, meter_provider: Where they go; the program's own when left out.

    Raises:
        InvalidArgumentError: OpenTelemetry is not installed.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, propagate, trace
        except ImportError as error:
            raise InvalidArgumentError(
                f"traces need OpenTelemetry ({error}); pip install 'asynq-compat[otel]', or leave Tracing out"
            ) from error
        self._trace, self._propagate = trace, propagate
        self._is_of_the_program = tracer_provider is None and meter_provider is None
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._sent = meter.create_counter(
            "messaging.client.sent.messages",
            "{message}",
            "Number of messages producer attempted to send to the broker.",
        )
        self._operation_duration = meter.create_histogram(
            "messaging.client.operation.duration",
            "s",
            "Duration of messaging operation initiated by a producer or consumer client.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages",
            "{message}",
            "Number of messages that were delivered to the application.",
        )
        self._process_duration = meter.create_histogram(
            "messaging.process.duration",
            "s",
            "Duration of processing operation.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )

    def __reduce__(self) -> tuple[type[Tracing], tuple[()]]:
        """Let a worker process of `Config(processes=N)` have its own, of what the program configures there."""
        if not self._is_of_the_program:
            raise TypeError("a Tracing with providers of its own cannot go to another process; configure global ones")
        return Tracing, ()

    # --- sending ------------------------------------------------------------------------------------------------------------------

    @overload
    def client(self, client: SupportsEnqueue) -> TracedClient: ...
    @overload
    def client(self, client: SupportsEnqueueAsync) -> TracedAsyncClient: ...
    def client(self, client: SupportsEnqueue | SupportsEnqueueAsync) -> TracedClient | TracedAsyncClient:
        """Return what enqueues by a `Client` or `AsyncClient`, with a span each; anything else it is asked goes to that client."""
        if not hasattr(client, "enqueue_many"):
            raise InvalidArgumentError(f"a client must be a Client or an AsyncClient, got {shown(client)}")
        if inspect.iscoroutinefunction(client.enqueue):
            return TracedAsyncClient(self, client)  # type: ignore[arg-type]  # it has just been looked at
        return TracedClient(self, client)  # type: ignore[arg-type]

    @contextmanager
    def sending(self, queue: str, count: int) -> Iterator[tuple[Span, Mapping[str, str]]]:
        """Give a producer's span for `count` tasks, and the headers that carry it on; an error inside is the span's."""
        attributes = _attributes("enqueue", "send", queue)
        if count != 1:
            attributes["messaging.batch.message_count"] = count
        began_s = perf_counter()
        measured = _attributes("enqueue", "", queue)
        with self._tracer.start_as_current_span(
            f"enqueue {queue}", kind=self._trace.SpanKind.PRODUCER, attributes=attributes
        ) as span:
            headers: dict[str, str] = {}
            self._propagate.inject(headers)
            try:
                yield span, headers
            except BaseException as error:
                span.set_attribute("error.type", _name_of(error))
                measured["error.type"] = _name_of(error)
                raise
            finally:
                self._sent.add(count, measured)
                self._operation_duration.record(perf_counter() - began_s, measured)

    # --- processing ---------------------------------------------------------------------------------------------------------------

    @of_both_colours
    def middleware(self, handler: HandlerFunc) -> HandlerFunc:
        """Make a span of each attempt: ``mux.use(tracing.middleware)``, before other middlewares, so that theirs lie inside."""

        async def coroutine(ctx: Context, task: Task) -> object:
            with self._processing(ctx, task):
                return await handler(ctx, task)

        def plain(ctx: Context, task: Task) -> object:
            with self._processing(ctx, task):
                result = handler(ctx, task)
                return ctx.run_async(_whole(result)) if inspect.isawaitable(result) else result

        return coroutine if is_async(handler) else plain

    @contextmanager
    def _processing(self, ctx: Context, task: Task) -> Iterator[None]:
        queue = ctx.queue_name or ""
        attributes = _attributes("process", "process", queue) | {
            "messaging.message.id": ctx.task_id or "",
            "messaging.message.body.size": len(task.payload or b""),
            "asynq.task.type": task.type,
            "asynq.task.retry_count": ctx.retry_count or 0,
        }
        measured = _attributes("process", "", queue)
        parent = self._propagate.extract(dict(task.headers or {}))
        began_s = perf_counter()
        with self._tracer.start_as_current_span(
            f"process {queue}",
            context=parent,
            kind=self._trace.SpanKind.CONSUMER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                if not isinstance(error, RevokeTask):  # As in Asynq: the task is done with.
                    # A coroutine is cancelled because its attempt is over: that is what the task fails with.
                    cause = (ctx.err if isinstance(error, CancelledError) else None) or error
                    measured["error.type"] = _name_of(cause)
                    span.set_attribute("error.type", _name_of(cause))
                    span.set_status(self._trace.StatusCode.ERROR, _text_of(cause))
                    with suppress(BaseException):  # It asks for the error's text, too, which may be an error itself.
                        span.record_exception(cause)
                raise
            finally:
                self._consumed.add(1, measured)
                self._process_duration.record(perf_counter() - began_s, measured)


async def _whole(awaitable: Awaitable[object]) -> object:
    return await awaitable


def _attributes(name: str, kind: str, queue: str) -> Attributes:
    attributes: Attributes = {
        "messaging.system": _SYSTEM,
        "messaging.operation.name": name,
        "messaging.destination.name": queue,
    }
    return attributes | {"messaging.operation.type": kind} if kind else attributes


def _name_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - it is the user's __str__
        return ""
