"""What belongs to one attempt at one task?

Contract: a `Run` is the context that the handler is given and all that the engine knows about the attempt, in one object, since one is
made per task. Whoever removes it from `Runner.running` owns its outcome.
Not obvious: the deadline is watched by `deadlines`, not by the run.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from asynq_compat.context import Context
from asynq_compat.errors import ContextCanceledError, InvalidArgumentError
from asynq_compat.ports.consuming import Lease
from asynq_compat.rules.instants import instant_of
from asynq_compat.servemux import HandlerFunc, not_found
from asynq_compat.task import ResultWriter, Task
from asynq_compat.wire.message import TaskMessage, decode_message

_R = TypeVar("_R")
_NO_TASK = Task("")
# What a thread of the pool does beside plain handlers; False: the thread was replaced in the meantime.
Job = Callable[[], bool]


class Home(Protocol):
    """What a run asks of the engine it runs in."""

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store a handler's result; return its length."""

    def run_async(self, run: Run, awaitable: Awaitable[_R]) -> _R:
        """Run an awaitable on the event loop to its end, from another thread."""

    async def run_plain(self, run: Run, function: Callable[..., _R], *args: object) -> _R:
        """Run a function on a thread of the pool, from the event loop."""


class Run(Context):
    """One attempt at one task: its handler's context.

    Attributes:
        lease: What the broker gave.
        rest: What the lease's message says beside type, payload and id; shared with others, not to be changed.
        started_ns: Unix nanoseconds of the start.
        deadline_ns: Unix nanoseconds at which it is over.
        function: The handler, with its middlewares; `not_found` until it is known.
        task: What the handler is given beside the context; let go of at the end, since each refers to the other.
        coroutine: The asyncio task of an `async def` handler that waits; until then it may be shared.
        holds_thread: A thread of the pool is busy with it.
        lost_thread: That thread was replaced, since the attempt was ended from outside.
    """

    __slots__ = (
        "coroutine",
        "deadline_ns",
        "function",
        "holds_thread",
        "home",
        "lease",
        "lost_thread",
        "parent",
        "rest",
        "started_ns",
        "task",
    )

    def __init__(self, home: Home, lease: Lease, rest: TaskMessage, started_ns: int, deadline_ns: int) -> None:
        # The fields of Context, written here: a call to its constructor costs a tenth of a run's whole bookkeeping.
        self._why = self._event = self._callbacks = None
        self.home = home
        self.lease = lease
        self.rest = rest
        self.started_ns = started_ns
        self.deadline_ns = deadline_ns
        self.parent: Context | None = None
        self.function: HandlerFunc = not_found
        self.coroutine: asyncio.Task[None] | None = None
        self.holds_thread = self.lost_thread = False
        self.task: Task = _NO_TASK

    @property
    def message(self) -> TaskMessage:
        """The lease's message, decoded anew each time."""
        return decode_message(self.lease.message)

    @property
    def deadline(self) -> datetime:
        """When the attempt is over, an aware instant in UTC; at most the last one that a datetime can hold."""
        return instant_of(self.deadline_ns)

    @property
    def task_id(self) -> str:
        """Id of the task."""
        return self.lease.task_id

    @property
    def retry_count(self) -> int:
        """Retries made so far."""
        return self.rest.retried

    @property
    def max_retry(self) -> int:
        """How many retries the task may have."""
        return self.rest.retry

    @property
    def queue_name(self) -> str:
        """Queue the task came from."""
        return self.lease.queue

    def value(self, key: object, default: object = None) -> object:
        """Return what the server's base context stores under `key`."""
        return default if self.parent is None else self.parent.value(key, default)

    def run_async(self, awaitable: Awaitable[_R]) -> _R:
        """Run an awaitable on the server's event loop; cancelled when the context is over."""
        return self.home.run_async(self, awaitable)

    async def run_plain(self, function: Callable[..., _R], *args: object) -> _R:
        """Run a plain function on a thread of the server's pool."""
        return await self.home.run_plain(self, function, *args)

    def write_result(self, data: bytes) -> int:
        """Store what the handler found out; raises when the context is over."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InvalidArgumentError(
                f"a task's result must be bytes, got {type(data).__name__}; encode it, for example json.dumps(value).encode()"
            )
        err = self.err
        if err is not None:
            raise type(err)(f"failed to write task result: {err}") from err
        return self.home.write_result(self.lease, bytes(data))

    def end(self) -> None:
        """End the context because the attempt has ended: no news to anybody who does not listen."""
        # As `_end`, written here: it is called once a task.
        if self._why is None:
            self._why = ContextCanceledError
        if self._event is not None or self._callbacks is not None:
            self._wake()
        self.task = _NO_TASK

    def cancelled_future(self, future: concurrent.futures.Future[_R]) -> Callable[[], None]:
        """Cancel `future` when the context is over; return what takes that back."""
        return self.on_end(lambda: void(future.cancel()))


class HandlerTask(Task):
    """The task that a handler is given; its result writer is made when somebody asks for it."""

    __slots__ = ("_run", "_writer")

    def __init__(self, type_name: str, payload: bytes | None, headers: Mapping[str, str] | None, run: Run) -> None:
        self.type = type_name
        self.payload = payload
        self.options = ()
        self.headers = headers
        self._run = run
        self._writer: ResultWriter | None = None

    @property
    def result_writer(self) -> ResultWriter | None:
        """Stores the handler's result with the task."""
        if self._writer is None:
            self._writer = ResultWriter(self._run.lease.task_id, self._run.write_result)
        return self._writer

    @result_writer.setter
    def result_writer(self, writer: ResultWriter | None) -> None:
        self._writer = writer


def void(result: object) -> None:
    """Ignore a result."""
    del result
