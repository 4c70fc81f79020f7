"""What becomes of a task whose worker process is gone?

Contract: the user's functions are asked here, in the server: there is no worker any more that could. Each task is concluded on a thread of the
pool, and its lease is ours until then (`unsettled`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from asynq_compat.config import Config
from asynq_compat.context import background
from asynq_compat.engine.failures import Failures
from asynq_compat.engine.pool import Pool
from asynq_compat.engine.processes.worker import Held
from asynq_compat.engine.run import Run
from asynq_compat.engine.settler import Settling
from asynq_compat.errors import AsynqError, ContextError, CorruptDataError
from asynq_compat.ports.consuming import Intake, Lease, Settlement
from asynq_compat.rules.deadline import attempt_deadline_ns
from asynq_compat.rules.outcome import Ending
from asynq_compat.wire.message import split_message

_R = TypeVar("_R")
Job = Callable[[], bool]


class Home:
    """What a run asks for that lives in the server."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store a result; return its length."""
        return self._intake.write_result(lease, result)

    def run_async(self, run: Run, awaitable: Awaitable[_R]) -> _R:
        """Run an awaitable to its end, on a loop of its own."""
        del run
        return asyncio.run(_whole(awaitable))

    async def run_plain(self, run: Run, function: Callable[..., _R], *args: object) -> _R:
        """Run a function on a thread."""
        del run
        return await asyncio.to_thread(function, *args)


async def _whole(awaitable: Awaitable[_R]) -> _R:
    return await awaitable


def _run_to_end(awaitable: Awaitable[object]) -> None:
    asyncio.run(_whole(awaitable))


def run_of(held: Held, home: Home) -> Run:
    """Return what is known about an attempt that a worker has.

    Raises:
        CorruptDataError: The message cannot be read.
    """
    rest = split_message(held.lease.message)[4]
    deadline_ns = attempt_deadline_ns(held.started_ns, rest.timeout, rest.deadline)
    return Run(home, held.lease, rest, held.started_ns, deadline_ns)


class Bereaved:
    """The tasks of workers that are gone."""

    def __init__(self, config: Config, home: Home, settler: Settling, pool: Pool[Job], log: logging.Logger) -> None:
        self._make_parent = None if config.base_context is background else config.base_context
        self._home = home
        self._settler = settler
        self._pool = pool
        self._log = log
        self._failures = Failures(config, log, _run_to_end)
        self._lock = threading.Lock()  # Guards the next one.
        self._concluding: dict[int, Held] = {}
        self.ended: Callable[[], object] = lambda: None

    def unsettled(self) -> list[Held]:
        """Return those that are not concluded yet."""
        with self._lock:
            return list(self._concluding.values())

    def fail(self, tasks: Sequence[Held], error: AsynqError) -> None:
        """Have each of them fail with `error`."""
        with self._lock:
            self._concluding.update({id(held): held for held in tasks})
        self._pool.submit([partial(self._conclude, held, error) for held in tasks])

    def end(self) -> None:
        """Tell of failures that were not listed."""
        self._failures.lines.end()

    def _conclude(self, held: Held, error: AsynqError) -> bool:
        settlement: Settlement | None = None
        try:
            run = run_of(held, self._home)
            if self._make_parent is not None:
                run.parent = self._make_parent()
            if isinstance(error, ContextError):
                run.cancel(error)
            settlement = self._failures.settlement(held.lease, run.message, run, error, Ending.FAILED)
            run.end()
        except CorruptDataError as unreadable:
            self._log.error("Cannot read task id=%s of queue %r: %s", held.lease.task_id, held.lease.queue, unreadable)
        except Exception:  # noqa: BLE001 - ours or the user's base_context: the slot has to become free
            self._log.exception("task id=%s could not be concluded; its lease runs out", held.lease.task_id)
        if settlement is None:
            self._settler.drop(held.lease)
        else:
            self._settler.add(settlement)
        with self._lock:
            self._concluding.pop(id(held), None)
        self.ended()
        return True
