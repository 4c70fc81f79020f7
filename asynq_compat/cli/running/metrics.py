"""How does Prometheus hear of queues whose servers tell nothing?

Contract: blocks until SIGTERM or SIGINT; exit code 0. Each question to ``/metrics`` reads every queue once. ``--once`` prints what it would tell.
Source: asynq's `tools/metrics_exporter`, whose port is the default.
"""

from __future__ import annotations

import signal
import threading

import click

from asynq_compat.cli.output import print_text
from asynq_compat.cli.session import Session
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.inspector import Inspector
from asynq_compat.metrics.collector import QueueMetricsCollector
from asynq_compat.metrics.exposing import Exposition, registry_of, text_of

_ADDR = "127.0.0.1:9876"


@click.command()
@click.option(
    "--addr", metavar="HOST:PORT", default=_ADDR, show_default=True, help="Where to serve /metrics and /healthz."
)
@click.option("--once", is_flag=True, help="Print the metrics of the queues and end.")
@click.pass_obj
def metrics(session: Session, *, addr: str, once: bool) -> None:
    """Tell Prometheus of all queues, with the names and labels of Asynq's metrics_exporter.

    \b
    Examples:
      asynq-compat metrics --addr :9876
      asynq-compat metrics --once
    """
    with session.broker() as broker:
        collector = QueueMetricsCollector(Inspector(broker))
        if once:
            broker.ping()  # The collector would log an outage and tell nothing.
            text = text_of(registry_of([collector], process=False))
            if not text and broker.inspecting.queues():
                raise BrokerUnavailableError(f"the queues at {broker.address} could not be read; the log says why")
            print_text(text.rstrip("\n"))
            return
        exposition = Exposition(addr, registry_of([collector]), broker.ping)
        try:
            ended = threading.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ended.set())
            exposition.start()
            print_text(f"http://{exposition.addr}/metrics")
            ended.wait()
        finally:
            exposition.close()
