"""How does a program enqueue periodic tasks that are configured elsewhere?

Contract: a `PeriodicTaskManager` asks its provider for configs and keeps a `Scheduler`'s entries in step with them. Started once, shut down
once; words and errors are Go's. Thread-safe.
Not obvious: what stays the same keeps its entry and its phase. The same is: spec, type, payload, options, and headers and options of the task,
which Go does not notice. A config that is given twice counts once; in Go it fires twice, for ever (G34).
Source: asynq v0.26.0 `PeriodicTaskManager`; docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from asynq_compat.connect import BrokerTarget, redis_client_opt
from asynq_compat.engine.logs import server_logger
from asynq_compat.engine.scheduling.syncer import Syncer
from asynq_compat.engine.signals import Signals
from asynq_compat.errors import InvalidArgumentError, ServerStateError
from asynq_compat.options import Duration, Option, duration_ns
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.rules.limits import NS_PER_S, is_utf8, shown
from asynq_compat.scheduler import Scheduler
from asynq_compat.scheduler_opts import SchedulerOpts
from asynq_compat.task import Task

_SYNC_S = 180.0


@suggesting_fields
@dataclass(frozen=True, slots=True)
class PeriodicTaskConfig:
    """One periodic task.

    Attributes:
        cronspec: When; see `Scheduler.register`.
        task: What is enqueued.
        opts: Overrule the task's own options.
    """

    cronspec: str
    task: Task
    opts: Sequence[Option] = ()

    def hash(self) -> str:
        """Return what Go takes a config for: a SHA-256 in hex over spec, type, payload and the texts of `opts`, sorted."""
        texts = sorted(map(str, self.opts))
        parts = [self.cronspec.encode(), self.task.type.encode(), self.task.payload or b"", *map(str.encode, texts)]
        return hashlib.sha256(b"".join(parts)).hexdigest()


class PeriodicTaskConfigProvider(Protocol):
    """Says which periodic tasks there are."""

    def get_configs(self) -> Sequence[PeriodicTaskConfig]:
        """Return all of them. Called at the start and then in each sync interval; an error leaves everything as it is."""


@suggesting_fields
class PeriodicTaskManagerOpts:
    """How a manager works.

    Attributes:
        periodic_task_config_provider: An object with `get_configs`, or a function in its place.
        redis_conn_opt: Where the tasks go, as for `Scheduler`: an option object, a URL, an open `Broker`; None for the embedded default.
        redis_universal_client: In its place, a client of redis-py; as for `Scheduler.from_redis_client`.
        scheduler_opts: How its scheduler works.
        sync_interval: How often the provider is asked, seconds; 3 min.
    """

    def __init__(
        self,
        *,
        periodic_task_config_provider: PeriodicTaskConfigProvider | Callable[[], Sequence[PeriodicTaskConfig]],
        redis_conn_opt: BrokerTarget = None,
        redis_universal_client: object = None,
        scheduler_opts: SchedulerOpts | None = None,
        sync_interval: Duration = 0,
    ) -> None:
        """Check and complete the fields.

        Raises:
            InvalidArgumentError: A field is not what it should be; the message names it, its value and what to do.
        """
        self.periodic_task_config_provider = periodic_task_config_provider
        self.get_configs = _get_configs(periodic_task_config_provider)
        self.redis_universal_client = redis_universal_client
        self.redis_conn_opt: BrokerTarget = (
            redis_conn_opt if redis_universal_client is None else redis_client_opt(redis_universal_client)
        )
        if scheduler_opts is not None and not isinstance(scheduler_opts, SchedulerOpts):
            raise InvalidArgumentError(f"scheduler_opts must be SchedulerOpts, got {shown(scheduler_opts)}")
        self.scheduler_opts = scheduler_opts or SchedulerOpts()
        interval_s = duration_ns("sync_interval", sync_interval) / NS_PER_S
        if interval_s < 0:
            raise InvalidArgumentError(
                f"sync_interval must not be negative, got {shown(sync_interval)}; leave it out for Asynq's 3 min"
            )
        self.sync_interval = interval_s or _SYNC_S


class PeriodicTaskManager:
    """Keeps a scheduler in step with a provider. ``with PeriodicTaskManager(...):`` starts it and shuts it down."""

    def __init__(self, opts: PeriodicTaskManagerOpts, *, clock: Clock | None = None) -> None:
        """Make a manager.

        Args:
            opts: How it works.
            clock: Tells the time; tests give one.

        Raises:
            InvalidArgumentError: `opts` are none, or their target stands for no broker.
        """
        if not isinstance(opts, PeriodicTaskManagerOpts):
            raise InvalidArgumentError(f"opts must be PeriodicTaskManagerOpts, got {shown(opts)}")
        self._opts = opts
        self._scheduler = Scheduler(opts.redis_conn_opt, opts.scheduler_opts, clock=clock)
        self._log = server_logger(opts.scheduler_opts)
        self._signals = Signals(self._log, "what is being enqueued ends first")
        self._syncer = Syncer(opts.get_configs, _refusal, self._scheduler, opts.sync_interval, self._log)
        self._lock = threading.Lock()  # Held while it starts.
        self._has_started = False

    def run(self) -> None:
        """Start, wait for SIGTERM or SIGINT (or `shutdown` from another thread), and shut down; raises as `start`."""
        configs = self._asked()  # Not inside: who does not want to wait for the provider may end the program.
        with self._signals.heard(signal.SIGTERM, signal.SIGINT):
            self._start(configs)
            self._log.info("Send signal TERM or INT to stop the scheduler")
            self._signals.next()
            self.shutdown()

    def start(self) -> None:
        """Ask the provider, register what it says, and start the scheduler; returns at once.

        Raises:
            InvalidArgumentError: The provider failed, or a config is none. A cron spec that is wrong is only logged, at every sync.
            ServerStateError: It runs already, or was shut down; nothing is registered then.
        """
        self._start(None)

    def _asked(self) -> Sequence[PeriodicTaskConfig]:
        with self._lock:
            self._check_startable()
            return self._syncer.first()

    def _start(self, configs: Sequence[PeriodicTaskConfig] | None) -> None:
        with self._lock:
            self._check_startable()
            self._syncer.follow(self._syncer.first() if configs is None else configs)
            self._scheduler.start()
            self._has_started = True
            self._syncer.start()

    def _check_startable(self) -> None:
        if self._has_started:
            raise ServerStateError(
                "asynq: asynq: the scheduler has already been stopped"
                if self._syncer.stopping.is_set()
                else "asynq: asynq: the scheduler is already running"
            )

    def shutdown(self) -> None:
        """Ask the provider no more and shut the scheduler down. Legal twice, and before the start.

        A provider that was asked and does not return is waited for for 8 s.
        """
        with self._lock:  # A start that is under way comes first.
            has_started = self._has_started
        if has_started:
            self._syncer.stop()
            self._scheduler.shutdown()
            self._log.debug("PeriodicTaskManager exiting")
        self._signals.end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


new_periodic_task_manager = PeriodicTaskManager  # Go: NewPeriodicTaskManager


def _get_configs(provider: object) -> Callable[[], Sequence[PeriodicTaskConfig]]:
    if provider is None:
        raise InvalidArgumentError(
            "PeriodicTaskConfigProvider cannot be nil, got None; give a function that returns a list of configs"
        )
    get: Callable[[], Sequence[PeriodicTaskConfig]] | None = getattr(provider, "get_configs", None)
    if get is None and callable(provider):
        get = provider
    if get is None:
        raise InvalidArgumentError(
            f"periodic_task_config_provider must have get_configs or be callable, got {shown(provider)}"
        )
    return get


def _refusal(configs: Sequence[object]) -> str:
    """Return what is wrong with the first config that is none, in Go's words; "" when all are in order."""
    return next((refusal for refusal in map(_refusal_of_one, configs) if refusal), "")


def _refusal_of_one(config: object) -> str:
    if config is None:
        return "PeriodicTaskConfig cannot be nil"
    if not isinstance(config, PeriodicTaskConfig):
        return f"{shown(config)} is no PeriodicTaskConfig"
    spec, task, opts = (getattr(config, name) for name in ("cronspec", "task", "opts"))
    if task is None:
        return "PeriodicTaskConfig.Task cannot be nil"
    if not isinstance(task, Task):
        return f"PeriodicTaskConfig.Task must be a Task, got {shown(task)}"
    kind: object = task.type  # Anything, until the task is enqueued, as its payload.
    payload: object = task.payload
    if not isinstance(kind, str) or not is_utf8(kind):
        return f"the type of PeriodicTaskConfig.Task must be a str, got {shown(kind)}"
    if not isinstance(payload, bytes | None):
        return f"the payload of PeriodicTaskConfig.Task must be bytes or None, got {shown(payload)}"
    if not spec:
        return "PeriodicTaskConfig.Cronspec cannot be empty"
    if not isinstance(spec, str) or not is_utf8(spec):
        return f"PeriodicTaskConfig.Cronspec must be a str, got {shown(spec)}"
    if not isinstance(opts, Sequence) or not all(isinstance(option, Option) for option in opts):
        return f"PeriodicTaskConfig.Opts must be a list of options, got {shown(opts)}"
    return ""
