"""What does a running server consist of?

Contract: builds the duties over an open broker and starts and stops them in Asynq's order. One engine runs once.
Not obvious: the heartbeater ends last, so that leases are kept while running tasks are waited for. The settler ends behind the threads
that run handlers: one of them may still be about to add an outcome.
Source: asynq v0.26.0 `server.go`; docs/semantics.md, "lifecycle, logging".
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from asynq_compat.config import JANITOR_BATCH_SIZE, Config
from asynq_compat.engine.collector import Collector
from asynq_compat.engine.duties.forwarder import Forwarder
from asynq_compat.engine.duties.healthcheck import HealthChecker
from asynq_compat.engine.duties.heartbeater import Heartbeater, Holding
from asynq_compat.engine.duties.janitor import Janitor
from asynq_compat.engine.duties.recoverer import Recoverer
from asynq_compat.engine.duties.subscriber import Subscriber
from asynq_compat.engine.failures import Failures
from asynq_compat.engine.processor import Processor, Starting
from asynq_compat.engine.runner import Runner
from asynq_compat.engine.service import Service
from asynq_compat.engine.settler import Settler
from asynq_compat.errors import AsynqError
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, QueueOrder
from asynq_compat.ports.maintaining import Duty
from asynq_compat.ports.observing import Observer
from asynq_compat.rules.clock import Clock
from asynq_compat.servemux import Handler
from asynq_compat.wire.server_info import ServerInfo

if TYPE_CHECKING:
    from asynq_compat.engine.processes.crew import Crew


class Attempting(Holding, Protocol):
    """What goes on, and how it is ended from outside."""

    def cancel(self, task_id: str) -> None:
        """Cancel every attempt at a task of this id."""

    def drain(self, timeout_s: float) -> None:
        """Wait until nothing runs; hand back what still runs after `timeout_s`."""


class Work(Starting, Protocol):
    """Where handlers run: in this process, or in several."""

    @property
    def attempts(self) -> Attempting:
        """What goes on there."""

    def start_threads(self) -> None:
        """Get ready."""

    def stop_threads(self) -> None:
        """End; handlers that do not end are left behind."""


class Engine:
    """The duties of one server."""

    def __init__(
        self,
        broker: Broker,
        handler: Handler,
        config: Config,
        server_id: str,
        status: Callable[[], str],
        clock: Clock,
        log: logging.Logger,
        on_end: Callable[[AsynqError], None],
        is_wanted: Callable[[], bool],
        observer: Observer | None = None,
    ) -> None:
        self._collector = Collector()
        self._config = config
        self._log = log
        order = QueueOrder(
            weights=config.queues, strict=config.strict_priority, check_interval_s=config.task_check_interval
        )
        try:
            crew = _crew(handler, config, clock, log, is_wanted, observer)
            self._intake = _opened(broker, order, config, server_id, crew, observer)
        except BaseException:
            self._collector.thaw()
            raise
        self._settler = Settler(self._intake, log, config.concurrency, observer)
        if crew is not None:
            crew.bind(self._intake, self._settler, on_end)
        self._work: Work = crew or Runner(handler, config, self._intake, self._settler, clock, log, observer)
        self._processor = Processor(self._intake, self._work, log, on_end=on_end)
        info = _server_info(config, server_id, clock)
        self._heartbeater = Heartbeater(broker.registering, self._intake, self._work.attempts, info, status, log)
        self._subscriber = Subscriber(broker.signalling, self._work.attempts.cancel, log)
        self._health_checkers: list[Service] = []
        if config.health_check_func is not None:
            self._health_checkers.append(
                HealthChecker(broker.ping, config.health_check_func, config.health_check_interval, log)
            )
        self._forwarders, self._recoverers, self._janitors = _maintenance(broker, config, clock, log)
        self._aggregators = _aggregation(broker, config, clock, log)

    def start(self) -> None:
        """Start everything."""
        self._collector.freeze()
        self._work.start_threads()
        for duty in (
            self._heartbeater,
            *self._health_checkers,
            self._subscriber,
            self._settler,
            *self._recoverers,
            *self._forwarders,
            self._processor,
            *self._janitors,
            *self._aggregators,
        ):
            duty.start()

    def in_progress(self) -> Sequence[str]:
        """Return the queue of each task that runs, or whose failure is being concluded."""
        return [run.lease.queue for run in self._work.attempts.unsettled()]

    def stop_taking(self) -> None:
        """Take no more tasks; what runs goes on. Legal twice."""
        self._log.info("Stopping processor")
        self._processor.stop()
        self._log.info("Processor stopped")

    def shutdown(self) -> None:
        """Stop taking, wait for what runs, hand back what does not end in time, and stop everything."""
        self._collector.thaw()
        for duty in self._forwarders:
            duty.stop()
        self._processor.stop()
        self._log.info("Waiting for all workers to finish...")
        self._work.attempts.drain(self._config.shutdown_timeout)
        self._log.info("All workers have finished")
        self._work.stop_threads()
        for duty in (
            *self._recoverers,
            self._settler,
            self._subscriber,
            *self._janitors,
            *self._aggregators,
            *self._health_checkers,
        ):
            duty.stop()
        self._heartbeater.stop()
        self._intake.close()


def _crew(
    handler: Handler,
    config: Config,
    clock: Clock,
    log: logging.Logger,
    is_wanted: Callable[[], bool],
    observer: Observer | None,
) -> Crew | None:
    if config.processes == 1:
        return None
    from asynq_compat.engine.processes.crew import hired

    return hired(handler, config, clock, log, is_wanted, observer)


def _opened(
    broker: Broker,
    order: QueueOrder,
    config: Config,
    server_id: str,
    crew: Crew | None,
    observer: Observer | None,
) -> Intake:
    try:
        return broker.consuming.open_intake(order, config.concurrency, server_id, observer)
    except BaseException:
        if crew is not None:
            crew.stop_threads()
        raise


def _server_info(config: Config, server_id: str, clock: Clock) -> ServerInfo:
    try:
        host = socket.gethostname()
    except OSError:
        host = "unknown-host"  # Asynq's word
    return ServerInfo(
        host=host or "unknown-host",
        pid=os.getpid(),
        server_id=server_id,
        concurrency=config.concurrency,
        queues=config.queues,
        strict_priority=config.strict_priority,
        start_time_ns=clock.now_ns(),
    )


def _aggregation(broker: Broker, config: Config, clock: Clock, log: logging.Logger) -> list[Service]:
    """Return the aggregator, if there is anything for it to do."""
    if config.group_aggregator is None or Duty.AGGREGATE not in broker.duties:
        return []
    from asynq_compat.engine.duties.aggregator import Aggregator  # What it needs takes memory that few servers use.

    return [Aggregator(broker.maintaining, config.group_aggregator, config, clock, log)]


def _maintenance(
    broker: Broker, config: Config, clock: Clock, log: logging.Logger
) -> tuple[list[Service], list[Service], list[Service]]:
    """Return forwarder, recoverer and janitor, each only where the broker leaves its duty to the engine."""
    queues = tuple(config.queues)
    forwarders: list[Service] = []
    recoverers: list[Service] = []
    janitors: list[Service] = []
    if Duty.FORWARD in broker.duties:
        forwarders.append(Forwarder(broker.maintaining, queues, config.delayed_task_check_interval, clock, log))
    if Duty.RECOVER in broker.duties:
        interval_s = broker.recovery_interval_s
        recoverers.append(Recoverer(broker.maintaining, queues, Failures(config, log), interval_s, log))
    if Duty.EXPIRE_COMPLETED in broker.duties:
        if config.janitor_batch_size > JANITOR_BATCH_SIZE:
            log.warning(
                "janitor_batch_size is %d; more than %d at a time may block the broker",
                config.janitor_batch_size,
                JANITOR_BATCH_SIZE,
            )
        janitors.append(Janitor(broker.maintaining, queues, config.janitor_interval, config.janitor_batch_size, log))
    return forwarders, recoverers, janitors
