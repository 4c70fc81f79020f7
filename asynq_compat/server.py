"""How does a program run tasks?

Contract: a `Server` is started once and shut down once; states and words are Go's. Thread-safe. It opens its broker at the first `start`
or `ping` and closes it at `shutdown`, unless an open `Broker` was handed in.
Not obvious: `run` blocks until a signal: SIGTSTP stops taking tasks, SIGTERM and SIGINT shut down, later ones are swallowed (the wait is
bounded by `Config.shutdown_timeout`), as in Go. Off the main thread no signal can be heard: `run` then waits for `shutdown`.
Source: asynq v0.26.0 `server.go`, `signals_unix.go`; docs/semantics.md, "lifecycle, logging".
"""

from __future__ import annotations

import signal
import threading
import uuid
from enum import Enum
from typing import TYPE_CHECKING, Self

from asynq_compat.config import Config
from asynq_compat.connect import check_kind, clock_for, open_broker, redis_client_opt
from asynq_compat.engine.ending import ends_within
from asynq_compat.engine.engine import Engine
from asynq_compat.engine.logs import server_logger
from asynq_compat.engine.processes.between.program import check_not_loading
from asynq_compat.engine.service import THREAD_PREFIX
from asynq_compat.engine.signals import Signals
from asynq_compat.errors import AsynqError, InvalidArgumentError, ServerClosedError, ServerStateError
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.keywords import suggesting_fields_beside
from asynq_compat.rules.limits import shown
from asynq_compat.servemux import Handler, check_handler

if TYPE_CHECKING:
    from asynq_compat.metrics.serving import ServingMetrics

# How long the duties may take to settle, withdraw and close behind `shutdown_timeout`. A broker that answers needs milliseconds.
_END_GRACE_S = 8.0
_NO_HANDLER = "asynq: server cannot run with nil handler"
_SIGTSTP = getattr(signal, "SIGTSTP", None)  # Not on Windows.


class ServerState(Enum):
    """Where in its life a server is; the values are what `status` says to others."""

    NEW = "new"
    ACTIVE = "active"
    STOPPED = "stopped"
    CLOSED = "closed"


@suggesting_fields_beside(config=Config)
class Server:
    """Takes tasks from queues and has a handler run them."""

    def __init__(self, opt: object = None, config: Config | None = None, *, clock: Clock | None = None) -> None:
        """Make a server.

        Args:
            opt: Where the tasks are: an option object such as RedisClientOpt, a URL, an open `Broker`; None for the embedded default.
            config: What it does and how; None for Asynq's defaults.
            clock: Tells the time; tests give one.

        Raises:
            InvalidArgumentError: `opt` stands for no broker, or `config` is none.
        """
        check_kind(opt)
        if config is not None and not isinstance(config, Config):
            raise InvalidArgumentError(f"config must be a Config, got {shown(config)}; write Config(concurrency=10)")
        self._opt = opt
        self._config = Config() if config is None else config
        self._clock: Clock = clock_for(clock)
        self._log = server_logger(self._config)
        self._id = str(uuid.uuid4())
        # Guards state, broker and engine. Not held while waiting for an end: the user's functions may call back.
        self._lock = threading.Lock()
        self._state = ServerState.NEW
        self._broker: Broker | None = None
        self._engine: Engine | None = None
        self._metrics: ServingMetrics | None = None
        self._signals = Signals(
            self._log, f"running tasks have {max(self._config.shutdown_timeout, 0.0):g} s to end (shutdown_timeout)"
        )
        self._has_ended = threading.Event()
        self._failure: AsynqError | None = None  # Why it takes nothing any more; written once, by the engine.

    @classmethod
    def from_redis_client(
        cls, redis_client: object, config: Config | None = None, *, clock: Clock | None = None
    ) -> Self:
        """Make a server on the Redis of a client of redis-py (Go: NewServerFromRedisClient); as `Client.from_redis_client`."""
        return cls(redis_client_opt(redis_client), config, clock=clock)

    def run(self, handler: Handler) -> None:
        """Start, wait for a signal (or `shutdown` from another thread), and shut down.

        Raises:
            ServerStateError: As for `start`.
            NewerReleaseError: A later release has taken over the queues; it was shut down. Upgrade this process.
        """
        with self._signals.heard(signal.SIGTERM, signal.SIGINT, _SIGTSTP):
            try:
                self.start(handler)
            except ServerStateError:
                if not self._signals.is_told_to_end:
                    raise
                self._log.info("Exiting")  # Told to end while its worker processes were made.
                return
            self._log.info("Send signal TSTP to stop processing new tasks") if _SIGTSTP else None
            self._log.info("Send signal TERM or INT to terminate the process")
            while (number := self._signals.next()) is not None and number == _SIGTSTP:
                self.stop()
            if number is not None and _SIGTSTP is not None:
                self.stop()
            self.shutdown()
        if self._failure is not None:
            raise self._failure

    def start(self, handler: Handler) -> None:
        """Begin to take tasks and have `handler` (a ServeMux, a callable, an object with process_task) run them; returns at once.

        Raises:
            InvalidArgumentError: There is no handler, or (InvalidPatternError) it does not take (ctx, task).
            ServerStateError: The server runs already, or is stopped.
            ServerClosedError: It was shut down.
        """
        if handler is None:
            raise InvalidArgumentError(f"{_NO_HANDLER}, got None; pass a ServeMux or a function")
        check_handler(handler)
        check_not_loading()
        with self._lock:
            if self._state is ServerState.ACTIVE:
                raise ServerStateError("asynq: the server is already running")
            if self._state is ServerState.STOPPED:
                raise ServerStateError("asynq: the server is in the stopped state. Waiting for shutdown.")
            if self._state is ServerState.CLOSED:
                raise ServerClosedError
            broker = self._open()
            try:
                self._metrics = self._measured(broker)
                self._engine = Engine(
                    broker,
                    handler,
                    self._config,
                    self._id,
                    lambda: self._state.value,
                    self._clock,
                    self._log,
                    self._give_up,
                    lambda: not self._signals.is_told_to_end,
                    None if self._metrics is None else self._metrics.observer,
                )
            except BaseException:
                self._broker = None
                if self._metrics is not None:
                    self._metrics.close()
                if broker is not self._opt:
                    broker.close()
                raise
            self._state = ServerState.ACTIVE
            self._announce()
            self._engine.start()
            if self._metrics is not None:
                self._metrics.observer.in_progress = self._engine.in_progress
                self._metrics.start()

    def _announce(self) -> None:
        for line in self._config.warnings:
            self._log.warning("%s", line)
        self._log.info("Starting processing")

    def stop(self) -> None:
        """Take no more tasks; running ones go on. Does nothing unless the server is active."""
        with self._lock:
            engine = self._engine
            if self._state is not ServerState.ACTIVE or engine is None:
                return
            self._state = ServerState.STOPPED
        engine.stop_taking()

    def shutdown(self) -> None:
        """Take no more tasks, wait for running ones, hand back what does not end in time, and close.

        Does nothing before `start`. A call that finds another at work waits for it, unless it comes from a thread of the server, which
        is itself waited for (a handler, a health check).
        """
        with self._lock:
            engine, broker = self._engine, self._broker
            is_first = self._state in (ServerState.ACTIVE, ServerState.STOPPED)
            if is_first:
                self._state = ServerState.CLOSED
        if engine is None:
            return
        if not is_first:
            if not threading.current_thread().name.startswith(THREAD_PREFIX):
                self._has_ended.wait()
            return
        self._log.info("Starting graceful shutdown")
        try:
            self._end_in_time(engine, None if broker is self._opt else broker)
        finally:
            self._log.info("Exiting")
            self._has_ended.set()
            self._signals.end()

    def _end_in_time(self, engine: Engine, broker: Broker | None) -> None:
        """End what runs and close the broker, which is left behind, with the threads that wait for it, if it does not answer."""

        def end() -> None:
            try:
                engine.shutdown()
            finally:
                if self._metrics is not None:
                    self._metrics.close()
                if broker is not None:
                    broker.close()

        if threading.current_thread().name.startswith(THREAD_PREFIX):
            end()  # A thread of the server must be known as such: the others are waited for.
        elif not ends_within(max(self._config.shutdown_timeout, 0.0) + _END_GRACE_S, end):
            self._log.error(
                "The broker does not answer, shutdown goes on without it: what this server held is recovered when its leases end"
            )

    def _give_up(self, failure: AsynqError) -> None:
        """Take nothing any more, since no more can come; `run` shuts down. Called by a thread of the engine."""
        self._log.error("Stopping: %s", failure)
        self._failure = failure
        self.stop()
        self._signals.end()

    def ping(self) -> None:
        """Ask the broker whether it answers; a server that is closed does not ask.

        Raises:
            BrokerUnavailableError: It does not.
        """
        with self._lock:
            broker = None if self._state is ServerState.CLOSED else self._open()
        if broker is not None:
            broker.ping()

    def _measured(self, broker: Broker) -> ServingMetrics | None:
        """Return what tells of this server, bound to its address; None where nobody asks."""
        if self._config.metrics_addr is None:
            return None
        from asynq_compat.metrics.serving import ServingMetrics  # Takes a while.

        return ServingMetrics(self._config.metrics_addr, broker, list(self._config.queues), self._config.concurrency)

    @property
    def metrics_addr(self) -> str | None:
        """Where metrics are served, with the port that was found; None where they are not."""
        return None if self._metrics is None else self._metrics.addr

    def _open(self) -> Broker:
        if self._broker is None:
            self._broker = open_broker(self._opt, clock=self._clock)
        return self._broker


new_server = Server  # Go: NewServer
new_server_from_redis_client = Server.from_redis_client  # Go: NewServerFromRedisClient
