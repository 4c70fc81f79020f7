"""How does a scheduler work?

Contract: `SchedulerOpts` are checked when they are made and not changed afterwards; fields are Go's in snake_case. What is left out, or is
zero as in Go, has Asynq's default.
Source: asynq v0.26.0 `SchedulerOpts`; docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from inspect import iscoroutinefunction
from typing import TypeVar

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.logger import Logger, LogLevel, check_logger, level_of
from asynq_compat.options import Duration, Option, duration_ns
from asynq_compat.ports.system_zones import find_zone
from asynq_compat.rules.keywords import check_truth, suggesting_fields
from asynq_compat.rules.limits import NS_PER_S, replaced, shown
from asynq_compat.task import Task, TaskInfo

PreEnqueueFunc = Callable[[Task, Sequence[Option]], object]
PostEnqueueFunc = Callable[[TaskInfo | None, Exception | None], object]
EnqueueErrorHandler = Callable[[Task, Sequence[Option], Exception], object]
_F = TypeVar("_F")

_HEARTBEAT_S = 10.0


@suggesting_fields
class SchedulerOpts:
    """How a scheduler works.

    Attributes:
        heartbeat_interval: How often its entries are published, for twice as long; 10 s, also for 0 and less. Seconds, or a timedelta
            going in.
        logger: A `logging.Logger`, or an object with Go's five methods.
        log_level: None leaves it to `logging`, or INFO where nothing is configured there.
        location: Whose clock counts for specs that name no zone: a name such as "Europe/Berlin", or a tzinfo; UTC.
        pre_enqueue_func: Called with task and options before a task is enqueued.
        post_enqueue_func: Called with (info, None), or (None, error), afterwards.
        enqueue_error_handler: Called with task, options and error when a task could not be enqueued.
        elect: Of all schedulers with this set that have an entry, one enqueues it at each instant; beyond Go.
        warnings: What Go takes in silence and hardly anybody means, a line each: what a scheduler logs at its start.
    """

    def __init__(
        self,
        *,
        heartbeat_interval: Duration = 0,
        logger: logging.Logger | Logger | None = None,
        log_level: LogLevel | int | str | None = None,
        location: tzinfo | str | None = None,
        pre_enqueue_func: PreEnqueueFunc | None = None,
        post_enqueue_func: PostEnqueueFunc | None = None,
        enqueue_error_handler: EnqueueErrorHandler | None = None,
        elect: bool = False,
    ) -> None:
        """Check and complete the fields.

        Raises:
            InvalidArgumentError: A field is not what it should be; the message names it, its value and what to do.
        """
        interval_s = duration_ns("heartbeat_interval", heartbeat_interval) / NS_PER_S
        self.heartbeat_interval = interval_s if interval_s > 0 else _HEARTBEAT_S
        self.logger = check_logger(logger)
        self.log_level = level_of(log_level)
        self.location = _zone(location)
        self.pre_enqueue_func = _function("pre_enqueue_func", pre_enqueue_func)
        self.post_enqueue_func = _function("post_enqueue_func", post_enqueue_func)
        self.enqueue_error_handler = _function("enqueue_error_handler", enqueue_error_handler)
        self.elect = check_truth("elect", elect)
        told = replaced("heartbeat_interval", heartbeat_interval, self.heartbeat_interval)
        self.warnings: Sequence[str] = (told,) if interval_s < 0 else ()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "warnings")
        return f"SchedulerOpts({shown})"


def _zone(location: object) -> tzinfo:
    if location is None:
        return UTC
    if isinstance(location, tzinfo):
        return location
    if not isinstance(location, str):
        raise InvalidArgumentError(
            f'location must be the name of a time zone or a tzinfo, got {shown(location)}; for example "Europe/Berlin"'
        )
    try:
        return find_zone(location)
    except ValueError:
        raise InvalidArgumentError(
            f'unknown time zone {shown(location)}; location takes names such as "Europe/Berlin"'
        ) from None


def _function(name: str, value: _F | None) -> _F | None:
    if value is not None and (not callable(value) or iscoroutinefunction(value)):
        raise InvalidArgumentError(f"{name} must be a plain function, got {shown(value)}; it is called on a thread")
    return value
