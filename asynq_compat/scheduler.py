"""How does a program enqueue tasks periodically?

Contract: a `Scheduler` is started once and shut down once; words and errors are Go's. Thread-safe. It opens its broker at the first
`start` or `ping` and closes it at `shutdown`, unless an open `Broker` was handed in. Entries may come and go while it runs.
Not obvious: several schedulers with the same entries each enqueue them, as in Go; `SchedulerOpts(elect=True)` makes it one. There is no
catch-up for the time in which no scheduler ran.
Source: asynq v0.26.0 `Scheduler`; docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable
from typing import Self, Unpack

from asynq_compat.client import Client, with_keywords
from asynq_compat.compose import compose
from asynq_compat.connect import BrokerTarget, check_kind, clock_for, open_broker, redis_client_opt
from asynq_compat.engine.ending import ends_within
from asynq_compat.engine.logs import server_logger
from asynq_compat.engine.outages import Outages
from asynq_compat.engine.scheduling.agenda import Agenda, Due, Entry
from asynq_compat.engine.scheduling.electing import Electing
from asynq_compat.engine.scheduling.entry_heartbeater import EntryHeartbeater, new_scheduler_id
from asynq_compat.engine.scheduling.firing import Enqueue, Firing
from asynq_compat.engine.scheduling.timekeeper import LOOK_S, Timekeeper
from asynq_compat.engine.signals import Signals
from asynq_compat.errors import (
    AsynqError,
    BrokerUnavailableError,
    InvalidArgumentError,
    NotFoundError,
    ServerStateError,
)
from asynq_compat.options import Option, OptionKeywords
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.ports.system_zones import find_zone
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.cron.oddities import odd_spec
from asynq_compat.rules.cron.parsing import parse_cron
from asynq_compat.rules.cron.schedule import Aligned, Every
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.keywords import suggesting_fields_beside
from asynq_compat.rules.limits import is_utf8, shown
from asynq_compat.scheduler_opts import SchedulerOpts
from asynq_compat.task import Task

# How often a clock that a test moves is looked at.
_LOOK_AT_VIRTUAL_S = 0.02
_LINE_MAX = 300
# How long withdrawing and closing may take; a broker that answers needs milliseconds. Less, where it is known not to answer.
_END_GRACE_S, _END_GRACE_AWAY_S = 8.0, 2.0
_SPECS = 'write five fields such as "30 4 * * mon-fri", "@daily", or "@every 1h30m" (less than 292 years)'


@suggesting_fields_beside(opts=SchedulerOpts)
class Scheduler:
    """Enqueues tasks periodically. ``with Scheduler(...) as scheduler:`` starts it and shuts it down."""

    def __init__(
        self, target: BrokerTarget = None, opts: SchedulerOpts | None = None, *, clock: Clock | None = None
    ) -> None:
        """Make a scheduler.

        Args:
            target: Where the tasks go: an option object, a URL, an open `Broker`; None for the embedded default.
            opts: How it works; None for Asynq's defaults.
            clock: Tells the time; tests give one.

        Raises:
            InvalidArgumentError: `target` stands for no broker, or `opts` are none.
        """
        check_kind(target)
        if opts is not None and not isinstance(opts, SchedulerOpts):
            raise InvalidArgumentError(
                f"opts must be SchedulerOpts, got {shown(opts)}; write SchedulerOpts(elect=True)"
            )
        self._target = target
        self._opts = opts or SchedulerOpts()
        self._clock: Clock = clock_for(clock)
        self._log = server_logger(self._opts)
        self._id = new_scheduler_id()
        self._agenda = Agenda(makes_up=self._opts.elect)
        # Guards the five below. Not held while waiting for an end: the user's functions may call back.
        self._lock = threading.Lock()
        self._state = "new"  # active, closed
        self._broker: Broker | None = None
        self._client: Client | None = None
        self._timekeeper: Timekeeper | None = None
        self._heartbeater: EntryHeartbeater | None = None
        self._signals = Signals(self._log, "what is being enqueued ends first")
        self._has_ended = threading.Event()

    @classmethod
    def from_redis_client(
        cls, redis_client: object, opts: SchedulerOpts | None = None, *, clock: Clock | None = None
    ) -> Self:
        """Make a scheduler on the Redis of a client of redis-py (Go: NewSchedulerFromRedisClient); as `Client.from_redis_client`."""
        return cls(redis_client_opt(redis_client), opts, clock=clock)

    def register(self, cronspec: str, task: Task, *options: Option, **keywords: Unpack[OptionKeywords]) -> str:
        """Enqueue a task whenever `cronspec` says, from now on or from `start` on; return the entry's id.

        Args:
            cronspec: Five fields ("30 4 * * mon-fri"), "@every 1h30m", "@daily", ..., behind "CRON_TZ=<zone> " if it has a zone of its own.
            task: What is enqueued.
            options: Overrule the task's own.
            keywords: The same options as keywords: ``queue="low"``.

        Raises:
            InvalidArgumentError: The spec, the task or an option is wrong; what is wrong with a spec is told in Go's words.

        A spec that Go takes although it fires never, or not as often as it says, is taken, and a warning logged.
        """
        spec: object = cronspec
        if not isinstance(spec, str) or not is_utf8(spec):
            raise InvalidArgumentError(f'cronspec must be a str, got {shown(cronspec)}; for example "@every 1h"')
        wishes = with_keywords(options, keywords)
        request, _ = compose(task, wishes, self._clock.now_ns())
        try:
            schedule = parse_cron(cronspec, self._opts.location, find_zone)
        except ValueError as error:
            raise InvalidArgumentError(f"{_one_line(str(error))}; {_SPECS}") from None
        if odd := odd_spec(cronspec, schedule, self._clock.now_ns()):
            self._log.warning("%s", odd)
        if self._opts.elect and isinstance(schedule, Every):
            schedule = Aligned(schedule.delay_s)  # All schedulers need the same instants.
        entry = Entry(str(uuid.uuid4()), cronspec, task, wishes, schedule, request.queue)
        self._agenda.add(entry, self._clock.now_ns())
        self._wake()
        return entry.id

    def unregister(self, entry_id: str) -> None:
        """Enqueue an entry's task no more; the history of what it enqueued stays, as in Go.

        Raises:
            NotFoundError: There is no such entry.
        """
        if not self._agenda.remove(entry_id):
            raise NotFoundError(f"asynq: no scheduler entry found: {shown(entry_id)} is none that register returned")
        self._wake()

    def run(self) -> None:
        """Start, wait for SIGTERM or SIGINT (or `shutdown` from another thread), and shut down.

        Raises:
            ServerStateError: As for `start`.
        """
        with self._signals.heard(signal.SIGTERM, signal.SIGINT):
            self.start()
            self._log.info("Send signal TERM or INT to stop the scheduler")
            self._signals.next()
            self.shutdown()

    def start(self) -> None:
        """Begin to fire; returns at once.

        Raises:
            ServerStateError: It runs already, or was shut down.
        """
        with self._lock:
            self._check_startable()
            broker = self._open()
            self._client = Client(broker, clock=self._clock)
            self._timekeeper = Timekeeper(
                self._agenda, self._firing(broker, self._client), self._clock, self._log, look_s=self._look_s()
            )
            self._heartbeater = EntryHeartbeater(
                broker.scheduling, self._id, self._agenda, self._opts.heartbeat_interval, self._log
            )
            self._state = "active"
            for line in self._opts.warnings:
                self._log.warning("%s", line)
            self._log.info("Scheduler starting")
            self._log.info("Scheduler timezone is set to %s", self._opts.location)
            self._timekeeper.start()
            self._heartbeater.start()

    def shutdown(self) -> None:
        """Fire no more, wait for the firings that run, withdraw the entries and their history, and close.

        Before `start` it only lets go of what `ping` opened. A call that finds another at work waits for it, unless it comes from a hook, which is waited for.
        """
        with self._lock:
            is_first, is_new = self._state == "active", self._state == "new"
            broker, timekeeper, heartbeater = self._broker, self._timekeeper, self._heartbeater
            if is_first:
                self._state = "closed"
            if is_new:
                self._broker = None
        if is_new and broker is not None and broker is not self._target:
            broker.close()
        if is_new or broker is None or timekeeper is None or heartbeater is None:
            return
        if not is_first:
            if not timekeeper.is_inside():
                self._has_ended.wait()
            return
        self._log.info("Scheduler shutting down")
        try:
            timekeeper.stop()
            grace_s = _END_GRACE_AWAY_S if timekeeper.is_away else _END_GRACE_S
            if not ends_within(grace_s, lambda: self._withdraw(broker, heartbeater)):
                self._log.error(
                    "The broker does not answer, the scheduler ends without it: its entries vanish by and by"
                )
        finally:
            self._log.info("Scheduler stopped")
            self._has_ended.set()
            self._signals.end()

    def _withdraw(self, broker: Broker, heartbeater: EntryHeartbeater) -> None:
        try:
            heartbeater.stop()
            if heartbeater.is_withdrawn:  # Else the broker is away, and an end is not to wait for it once more.
                self._clear_history(broker)
        finally:
            if broker is not self._target:
                broker.close()

    def ping(self) -> None:
        """Ask the broker whether it answers; a scheduler that is closed does not ask.

        Raises:
            BrokerUnavailableError: It does not.
        """
        with self._lock:
            broker = None if self._state == "closed" else self._open()
        if broker is not None:
            broker.ping()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def _check_startable(self) -> None:
        if self._state == "active":
            raise ServerStateError("asynq: the scheduler is already running")
        if self._state == "closed":
            raise ServerStateError("asynq: the scheduler has already been stopped")

    def _open(self) -> Broker:
        if self._broker is None:
            self._broker = open_broker(self._target, clock=self._clock)
        return self._broker

    def _look_s(self) -> float:
        return LOOK_S if isinstance(self._clock, SystemClock) else _LOOK_AT_VIRTUAL_S

    def _firing(self, broker: Broker, client: Client) -> Callable[[Due, Outages], Firing]:
        opts = self._opts
        enqueue: Enqueue = (
            Electing(broker.scheduling, self._id, self._clock).enqueue
            if opts.elect
            else lambda due: client.enqueue(due.entry.task, *due.entry.options)
        )
        return lambda due, outages: Firing(due, enqueue, opts, broker.scheduling, self._clock, self._log, outages)

    def _wake(self) -> None:
        timekeeper = self._timekeeper
        if timekeeper is not None:
            timekeeper.wake()

    def _clear_history(self, broker: Broker) -> None:
        # What never fired has none: an entry's id is this scheduler's alone.
        fired = [entry.id for entry, _, prev_ns in self._agenda.entries() if prev_ns is not None]
        for done_count, entry_id in enumerate(fired):
            try:
                broker.scheduling.clear_history(entry_id)
            except BrokerUnavailableError as error:  # For the others too, and each would wait for it.
                left_count = len(fired) - done_count
                self._log.warning("Could not clear scheduler history for %d entries, it stays: %s", left_count, error)
                return
            except AsynqError as error:
                self._log.warning("Could not clear scheduler history for entry %s: %s", go_quoted(entry_id), error)


new_scheduler = Scheduler  # Go: NewScheduler
new_scheduler_from_redis_client = Scheduler.from_redis_client  # Go: NewSchedulerFromRedisClient


def _one_line(text: str) -> str:
    """Return Go's text, which repeats the spec as it is, so that it fits into a line of a log."""
    line = " ".join(text.splitlines())
    return line if len(line) <= _LINE_MAX else f"{line[:_LINE_MAX]}…"
