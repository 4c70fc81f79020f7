"""How is a server configured?

Contract: a `Config` is checked when it is made and not changed afterwards. Its fields are Go's in snake_case; what is left out, or
is zero as in Go, has Asynq's default. Durations are seconds or `timedelta` going in and seconds coming out.
Not obvious: a negative interval is refused (in Go that duty spins, or it is the default); a negative shutdown timeout hands running tasks back at once.
Source: asynq v0.26.0 `Config`; docs/semantics.md, "config".
"""

from __future__ import annotations

import inspect
import logging
import math
import os
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from numbers import Real
from typing import Protocol, TypeVar

from asynq_compat.context import Context, background
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.logger import Logger, LogLevel, check_logger, level_of
from asynq_compat.rules.addresses import parse_address
from asynq_compat.rules.keywords import check_truth, suggesting_fields
from asynq_compat.rules.limits import (
    DURATION_NS_MAX,
    INT32_MAX,
    NS_PER_S,
    hasty_shutdown,
    ignored_queues,
    is_blank,
    is_utf8,
    replaced,
    shown,
)
from asynq_compat.rules.retry import JITTER_END, default_retry_delay_s
from asynq_compat.task import Task

Duration = float | timedelta
_F = TypeVar("_F")

# Errors are `Exception`s, whatever a handler raised: a panic comes as a PanicError.
RetryDelayFunc = Callable[[int, Exception, Task], Duration]
IsFailureFunc = Callable[[Exception], bool]
BaseContextFunc = Callable[[], Context]
HealthCheckFunc = Callable[[Exception | None], object]
ErrorHandlerFunc = Callable[[Context, Task, Exception], object]
GroupAggregatorFunc = Callable[[str, list[Task]], Task]

# Asynq's limits and defaults, in seconds where they are durations.
JANITOR_BATCH_SIZE = 100
QUEUE_DEFAULT = "default"
PRIORITY_MAX = INT32_MAX  # int32 in ServerInfo
PROCESSES_MAX = 512  # More than any machine has use for: each takes some 30 MB.


class SupportsHandleError(Protocol):
    """An object told of every failure (Go: ErrorHandler); the method may be `async def`."""

    def handle_error(self, ctx: Context, task: Task, err: Exception, /) -> object:
        """Take note of `err`."""


class SupportsAggregate(Protocol):
    """An object that makes one task of a group's (Go: GroupAggregator)."""

    def aggregate(self, group: str, tasks: list[Task], /) -> Task:
        """Return the task to enqueue in place of `tasks`."""


def default_retry_delay_func(retried: int, err: Exception, task: Task) -> float:
    """Return Asynq's wait in seconds before retry number `retried` + 1 (Go: DefaultRetryDelayFunc)."""
    del err, task
    return float(default_retry_delay_s(retried, random.randrange(JITTER_END)))


def every_error_is_a_failure(err: Exception) -> bool:
    """Return True: Asynq's default for `Config.is_failure`."""
    del err
    return True


@suggesting_fields
class Config:
    """What a server does, and how.

    Attributes:
        concurrency: How many tasks run at a time; the number of CPUs when below 1, of `processes` where those are more.
        processes: In how many processes handlers run, all together `concurrency` at a time; up to 512. 1: in the server's own. With more,
            handlers and functions of this configuration are sent there by name: they must be importable, at the top level of a module.
        base_context: Called once per task; the parent of the context its handler gets.
        task_check_interval: How long an idle server waits before it asks again where it cannot be woken; 5 s at most.
        retry_delay_func: (retries so far, error, task) -> wait before the next attempt.
        is_failure: Whether an error counts; one that does not is retried without being counted.
        queues: Queue name to priority. As in Go blank names and priorities below 1 are ignored, and ``{"default": 1}`` is served when none
            is left; a server warns at its start, with the names.
        strict_priority: Serve a queue only while all of higher priority are empty.
        error_handler: Told (ctx, task, error) of every failure before it is written.
        logger: A `logging.Logger`, or an object with Go's five methods; None for the logger "asynq_compat".
        log_level: None leaves it to `logging`, or INFO where nothing is configured there.
        shutdown_timeout: How long `shutdown` waits for running tasks before it hands them back.
        health_check_func: Told None, or the error of a ping, every `health_check_interval`.
        delayed_task_check_interval: How often due tasks are looked for on Redis; 1 s, at whole seconds (Asynq: 5 s).
        group_grace_period, group_max_delay, group_max_size, group_aggregator: When and how groups are aggregated.
        metrics_addr: Where the server tells Prometheus what it does: "127.0.0.1:9090"; ":9090" for every address, port 0 for a free one.
        janitor_interval, janitor_batch_size: How often, and how many at a time, expired completed tasks are deleted.
        warnings: What Go takes in silence and hardly anybody means, a line each: what a server logs at its start.

    Names are Go's, so durations carry no unit: they are seconds, as floats.
    """

    def __init__(
        self,
        *,
        concurrency: int = 0,
        processes: int = 1,
        base_context: BaseContextFunc | None = None,
        task_check_interval: Duration = 0,
        retry_delay_func: RetryDelayFunc | None = None,
        is_failure: IsFailureFunc | None = None,
        queues: Mapping[str, int] | None = None,
        strict_priority: bool = False,
        error_handler: ErrorHandlerFunc | SupportsHandleError | None = None,
        logger: logging.Logger | Logger | None = None,
        log_level: LogLevel | int | str | None = None,
        shutdown_timeout: Duration = 0,
        health_check_func: HealthCheckFunc | None = None,
        health_check_interval: Duration = 0,
        delayed_task_check_interval: Duration = 0,
        group_grace_period: Duration = 0,
        group_max_delay: Duration = 0,
        group_max_size: int = 0,
        group_aggregator: GroupAggregatorFunc | SupportsAggregate | None = None,
        janitor_interval: Duration = 0,
        janitor_batch_size: int = 0,
        metrics_addr: str | None = None,
    ) -> None:
        """Check and complete the fields.

        Raises:
            InvalidArgumentError: A field is not what it should be; the message names it, its value and what to do.
        """
        cpu_count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.processes = _integer("processes", processes)
        self.concurrency = _concurrency(concurrency) or max(cpu_count, self.processes)
        _check_processes(self.processes, self.concurrency)
        self.queues: Mapping[str, int] = _queues(queues)
        self.strict_priority = check_truth("strict_priority", strict_priority)
        self.log_level = level_of(log_level)
        self.logger = check_logger(logger)
        self.metrics_addr = _address(metrics_addr)

        self.base_context = _function("base_context", base_context) or background
        self.retry_delay_func = _function("retry_delay_func", retry_delay_func) or default_retry_delay_func
        self.is_failure = _function("is_failure", is_failure) or every_error_is_a_failure
        self.health_check_func = _function("health_check_func", health_check_func)
        self.error_handler = _error_handler(error_handler)
        self.group_aggregator = _group_aggregator(group_aggregator)

        self.task_check_interval = max(_seconds("task_check_interval", task_check_interval), 0.0) or 1.0
        self.shutdown_timeout = _seconds("shutdown_timeout", shutdown_timeout) or 8.0
        self.health_check_interval = _interval("health_check_interval", health_check_interval) or 15.0
        self.delayed_task_check_interval = _interval("delayed_task_check_interval", delayed_task_check_interval) or 1.0
        self.janitor_interval = _interval("janitor_interval", janitor_interval) or 8.0
        self.janitor_batch_size = _integer("janitor_batch_size", janitor_batch_size) or JANITOR_BATCH_SIZE
        if self.janitor_batch_size < 1:
            raise InvalidArgumentError(f"janitor_batch_size must be at least 1, got {janitor_batch_size}; use 100")

        self.group_grace_period = _grace_period(group_grace_period)
        self.group_max_delay = _interval("group_max_delay", group_max_delay)
        self.group_max_size = _count("group_max_size", group_max_size)
        self.warnings = self._oddities(concurrency, task_check_interval, queues or {})

    def _oddities(self, concurrency: int, task_check_interval: object, queues: Mapping[str, int]) -> Sequence[str]:
        lines = [ignored_queues(queues, self.queues)]
        if concurrency < 0:
            lines.append(replaced("concurrency", concurrency, self.concurrency))
        if _seconds("task_check_interval", task_check_interval) < 0:
            lines.append(replaced("task_check_interval", task_check_interval, self.task_check_interval))
        if self.shutdown_timeout < 0:
            lines.append(hasty_shutdown(self.shutdown_timeout))
        return tuple(filter(None, lines))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "warnings")
        return f"Config({shown})"


def _address(addr: str | None) -> str | None:
    if addr:
        parse_address(addr)
    return addr or None


def _integer(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentError(f"{name} must be an integer, got {shown(value)}; leave it out for Asynq's default")
    return value


def _concurrency(value: object) -> int:
    number = _integer("concurrency", value)
    if number > INT32_MAX:  # What a server tells of itself; a larger one comes out wrong in Go.
        raise InvalidArgumentError(f"concurrency must be up to {INT32_MAX}, got {shown(value)}; leave it out")
    return max(number, 0)


def _check_processes(processes: int, concurrency: int) -> None:
    if not 1 <= processes <= PROCESSES_MAX:
        raise InvalidArgumentError(
            f"processes must be between 1 and {PROCESSES_MAX}, got {shown(processes)}; one for each CPU is usual, 1 runs handlers in the server's own"
        )
    if processes > concurrency:
        raise InvalidArgumentError(
            f"processes must be at most concurrency, which is {concurrency}, got {processes}; raise concurrency, or lower it"
        )
    if processes > 1 and os.name != "posix":
        raise InvalidArgumentError(f"processes must be 1 here, got {processes}: more need Linux, macOS or another Unix")


def _count(name: str, value: object) -> int:
    number = _integer(name, value)
    if number < 0:
        raise InvalidArgumentError(f"{name} must not be negative, got {shown(value)}; leave it out for no limit")
    return number


def _seconds(name: str, value: object) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    try:
        number = math.nan if isinstance(seconds, bool) or not isinstance(seconds, Real) else float(seconds)
    except OverflowError:  # An integer of more than 308 digits.
        number = math.inf
    if not math.isfinite(number):
        raise InvalidArgumentError(f"{name} must be a finite number of seconds or a timedelta, got {shown(value)}")
    if abs(number) * NS_PER_S > DURATION_NS_MAX:  # Go's limit, and that of a wait in a thread.
        raise InvalidArgumentError(f"{name} must be less than 292 years, got {shown(value)}; durations are in seconds")
    return number


def _interval(name: str, value: object) -> float:
    seconds = _seconds(name, value)
    if seconds < 0:
        raise InvalidArgumentError(f"{name} must not be negative, got {shown(value)}; leave it out for Asynq's default")
    return seconds


def _grace_period(value: object) -> float:
    seconds = _seconds("group_grace_period", value) or 60.0
    if seconds < 1:
        raise InvalidArgumentError(f"GroupGracePeriod cannot be less than a second, got {shown(value)}; leave it out")
    return seconds


def _function(name: str, value: _F | None) -> _F | None:
    if value is not None and not callable(value):
        raise InvalidArgumentError(f"{name} must be callable, got {shown(value)}; give a function")
    return value


def _queues(queues: object) -> dict[str, int]:
    if queues is None:
        return {QUEUE_DEFAULT: 1}
    if not isinstance(queues, Mapping):
        raise InvalidArgumentError(
            f'queues must map names to priorities, such as {{"default": 1}}, got {shown(queues)}'
        )
    kept: dict[str, int] = {}
    for name, priority in queues.items():
        if not isinstance(name, str) or not is_utf8(name):
            raise InvalidArgumentError(f"the name of a queue must be text in UTF-8, got {shown(name)}")
        if _integer(f"the priority of queue {shown(name)}", priority) > PRIORITY_MAX:
            raise InvalidArgumentError(f"the priority of queue {shown(name)} is {priority}, more than {PRIORITY_MAX}")
        if not is_blank(name) and priority > 0:
            kept[name] = priority
    return kept or {QUEUE_DEFAULT: 1}


def _error_handler(handler: ErrorHandlerFunc | SupportsHandleError | None) -> ErrorHandlerFunc | None:
    if handler is None or callable(handler):
        return handler
    method: ErrorHandlerFunc | None = getattr(handler, "handle_error", None)
    if method is None:
        raise InvalidArgumentError(f"error_handler must be callable or have handle_error, got {shown(handler)}")
    return method


def _group_aggregator(aggregator: GroupAggregatorFunc | SupportsAggregate | None) -> GroupAggregatorFunc | None:
    if aggregator is None:
        return None
    function: GroupAggregatorFunc | None = (
        aggregator if callable(aggregator) else getattr(aggregator, "aggregate", None)
    )
    if function is None:
        raise InvalidArgumentError(f"group_aggregator must be callable or have aggregate, got {shown(aggregator)}")
    if inspect.iscoroutinefunction(function):
        raise InvalidArgumentError(f"group_aggregator must be a plain function, got async def {shown(aggregator)}")
    return function
