"""How is a task followed from the program that enqueues it to the worker that runs it?

`Tracing` makes an OpenTelemetry span of each enqueue and of each attempt, and carries the trace in the task's headers. Needs the extra `otel`. Here the spans
are printed; a program of yours configures an exporter, or runs under `opentelemetry-instrument`. Run: python examples/tracing.py
"""

from __future__ import annotations

import threading

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import asynq_compat as asynq

QUEUE = "example-tracing"
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracing = asynq.Tracing(tracer_provider=provider)  # Left out: the program's own provider.

mux = asynq.ServeMux()
mux.use(tracing.middleware)
done = threading.Event()


@mux.on("invoice:send")
async def send(ctx: asynq.Context, task: asynq.Task) -> None:
    """Run inside the span of this attempt: what it calls, instrumented, is a child of it."""
    done.set()


def main() -> None:
    """Enqueue within a span and show the trace."""
    server = asynq.Server(config=asynq.Config(queues={QUEUE: 1}))
    server.start(mux)
    with tracing.client(asynq.Client()) as client, provider.get_tracer("shop").start_as_current_span("checkout"):
        client.enqueue(asynq.Task("invoice:send"), queue=QUEUE)
    assert done.wait(30)
    server.shutdown()

    names = {span.context.span_id: span.name for span in exporter.get_finished_spans() if span.context}
    for span in exporter.get_finished_spans():
        print(f"{span.name} is a child of {names[span.parent.span_id] if span.parent else 'nothing'}")


if __name__ == "__main__":
    main()
