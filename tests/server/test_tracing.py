"""Do a task's enqueue and its attempts become one trace, whoever enqueues and whatever the broker?"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import asynq_compat as asynq
from asynq_compat.rules.task_state import TaskState
from tests.server.ground import Ground


@dataclass
class Told:
    """What OpenTelemetry was told."""

    tracing: asynq.Tracing
    provider: TracerProvider
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the spans of this name that have ended, in order."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def metric(self, name: str) -> list[Any]:
        """Return the data points of a metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def told() -> Iterator[Told]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader])
    yield Told(asynq.Tracing(tracer_provider=provider, meter_provider=meters), provider, exporter, reader)
    meters.shutdown()
    provider.shutdown()


def _id(span: ReadableSpan) -> str:
    """Return the span's id as it stands in a header."""
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def _attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


def _mux(told: Told, handler: asynq.HandlerFunc) -> asynq.ServeMux:
    mux = asynq.ServeMux()
    mux.use(told.tracing.middleware)
    mux.handle("t", handler)
    return mux


@pytest.mark.parametrize("is_async", [False, True])
def test_an_attempt_is_the_child_of_its_enqueue(ground: Ground, told: Told, is_async: bool) -> None:
    inside: list[trace.SpanContext] = []

    def plain(ctx: asynq.Context, task: asynq.Task) -> None:
        inside.append(trace.get_current_span().get_span_context())

    async def coroutine(ctx: asynq.Context, task: asynq.Task) -> None:
        await asyncio.sleep(0.001)
        plain(ctx, task)

    client = told.tracing.client(asynq.Client(ground.broker))
    with told.provider.get_tracer("the program").start_as_current_span("request") as request:
        info = client.enqueue(asynq.Task("t", b"12345", headers={"tenant": "a"}), queue="default")
    with ground.serving(_mux(told, coroutine if is_async else plain)):
        ground.wait_for_state(info.id, None)

    (sent,), (processed,) = told.spans("enqueue default"), told.spans("process default")
    assert sent.parent is not None
    assert processed.parent is not None
    assert sent.parent.span_id == request.get_span_context().span_id
    assert f"{processed.parent.span_id:016x}" == _id(sent)
    assert processed.parent.trace_id == request.get_span_context().trace_id
    assert inside == [processed.get_span_context()]
    assert (sent.kind, processed.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    of_both = {
        "messaging.system": "asynq",
        "messaging.destination.name": "default",
        "messaging.message.id": info.id,
        "messaging.message.body.size": 5,
        "asynq.task.type": "t",
    }
    assert _attributes(sent) == of_both | {"messaging.operation.name": "enqueue", "messaging.operation.type": "send"}
    assert _attributes(processed) == of_both | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "asynq.task.retry_count": 0,
    }


def test_a_failure_is_the_spans_error_and_each_attempt_a_span(ground: Ground, told: Told) -> None:
    def fail_once(ctx: asynq.Context, task: asynq.Task) -> None:
        if ctx.retry_count == 0:
            raise ConnectionError("the mail server is busy")
        raise asynq.RevokeTask

    info = told.tracing.client(asynq.Client(ground.broker)).enqueue(asynq.Task("t"))
    with ground.serving(_mux(told, fail_once), retry_delay_func=lambda retried, error, task: 0):
        ground.wait_for_state(info.id, None)

    failed, revoked = told.spans("process default")
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "the mail server is busy")
    assert _attributes(failed)["error.type"] == "ConnectionError"
    assert [event.name for event in failed.events] == ["exception"]
    assert revoked.status.status_code is StatusCode.UNSET
    assert _attributes(revoked)["asynq.task.retry_count"] == 1
    counts = {
        point.attributes.get("error.type"): point.value for point in told.metric("messaging.client.consumed.messages")
    }
    assert counts == {"ConnectionError": 1, None: 1}
    assert sum(point.count for point in told.metric("messaging.process.duration")) == 2


def test_an_attempt_whose_time_is_over_fails_with_that(ground: Ground, told: Told) -> None:
    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        await asyncio.Event().wait()

    info = told.tracing.client(asynq.Client(ground.broker)).enqueue(asynq.Task("t"), timeout=1, max_retry=0)
    with ground.serving(_mux(told, handle)):
        ground.wait_for_state(info.id, TaskState.ARCHIVED)

    (late,) = told.spans("process default")
    assert (late.status.status_code, late.status.description) == (StatusCode.ERROR, "context deadline exceeded")
    assert _attributes(late)["error.type"].startswith("asynq_compat.errors.")


def test_an_error_without_a_text_stays_the_tasks_error(ground: Ground, told: Told) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def fail(ctx: asynq.Context, task: asynq.Task) -> None:
        raise Mute

    failed_with: list[BaseException] = []
    info = told.tracing.client(asynq.Client(ground.broker)).enqueue(asynq.Task("t"), max_retry=0)
    with ground.serving(_mux(told, fail), error_handler=lambda ctx, task, error: failed_with.append(error)):
        ground.wait_for_state(info.id, TaskState.ARCHIVED)

    (span,) = told.spans("process default")
    assert [type(error) for error in failed_with] == [Mute]
    assert span.status.status_code is StatusCode.ERROR
    assert _attributes(span)["error.type"].endswith("Mute")


def test_a_task_without_a_trace_begins_one(ground: Ground, told: Told) -> None:
    task_id = ground.enqueue("t", headers={"traceparent": "nonsense"})
    with ground.serving(_mux(told, lambda ctx, task: None)):
        ground.wait_for_state(task_id, None)

    (processed,) = told.spans("process default")
    assert processed.parent is None


def test_a_batch_is_one_span_that_all_its_tasks_carry(ground: Ground, told: Told) -> None:
    task = asynq.Task("t", None, asynq.Queue("low"), headers={"a": "b"})
    client = told.tracing.client(asynq.Client(ground.broker))
    infos = client.enqueue_many([task, (task, asynq.Queue("high")), task], asynq.Retention(60))
    refused = client.enqueue_many([])

    (sent,) = told.spans("enqueue low")
    assert _attributes(sent)["messaging.batch.message_count"] == 3
    for info in infos:
        assert isinstance(info, asynq.TaskInfo)
        assert info.headers is not None
        assert info.headers["a"] == "b"
        assert info.headers["traceparent"].split("-")[2] == _id(sent)
    assert task.headers == {"a": "b"}
    assert refused == []
    assert {
        point.attributes["messaging.destination.name"]: point.value
        for point in told.metric("messaging.client.sent.messages")
    } == {
        "low": 3,
        "default": 0,
    }


def test_what_is_refused_is_told_to_both(ground: Ground, told: Told) -> None:
    client = told.tracing.client(asynq.Client(ground.broker))
    client.enqueue(asynq.Task("t"), task_id="one")
    with pytest.raises(asynq.TaskIDConflictError):
        client.enqueue(asynq.Task("t"), task_id="one")
    with pytest.raises(asynq.InvalidArgumentError):
        client.enqueue(None)  # type: ignore[arg-type]

    _, conflict, wrong = told.spans("enqueue default")
    assert conflict.status.status_code is wrong.status.status_code is StatusCode.ERROR
    assert _attributes(conflict)["error.type"] == "asynq_compat.errors.TaskIDConflictError"
    assert ground.state("one") is TaskState.PENDING


def test_an_async_client_is_wrapped_too(ground: Ground, told: Told) -> None:
    async def enqueue() -> list[str]:
        async with told.tracing.client(asynq.AsyncClient(ground.broker)) as client:
            info = await client.enqueue(asynq.Task("t"), queue="low")
            (other,) = await client.enqueue_many([asynq.Task("t")], queue="low")
            await client.ping()
            assert isinstance(other, asynq.TaskInfo)
            return [(one.headers or {})["traceparent"].split("-")[2] for one in (info, other)]

    carried = asyncio.run(enqueue())

    assert carried == [_id(span) for span in told.spans("enqueue low")]


def test_a_worker_process_makes_its_own_of_what_the_program_configures(told: Told) -> None:
    assert isinstance(pickle.loads(pickle.dumps(asynq.Tracing())), asynq.Tracing)
    with pytest.raises(TypeError, match="providers of its own"):
        pickle.dumps(told.tracing)


def test_without_opentelemetry_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(asynq.InvalidArgumentError, match=r"pip install 'asynq-compat\[otel\]'"):
        asynq.Tracing()


def test_only_a_client_is_wrapped(told: Told) -> None:
    with pytest.raises(asynq.InvalidArgumentError, match="a client must be a Client or an AsyncClient"):
        told.tracing.client("redis://localhost")  # type: ignore[call-overload]
