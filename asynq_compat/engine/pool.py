"""Which thread runs a plain handler, or what a coroutine has called that may block?

Contract: at most `size` threads that are not stuck, started when they are needed. One queue for all: an idle thread takes the next item,
so a handler that blocks delays nobody behind it. `work` is called with each item on some thread; where it returns False, that thread
has been replaced in the meantime and ends. A thread that finds nothing more to do calls `run_out`, which may bring more, and then waits.
A `PlainCall` is an item too: when the attempt that it belongs to ends before it does, its thread is given up for lost and replaced.
Where the system gives no thread, `submit` raises if none is left to do the work; the next `submit`, of nothing at all, tries again.
Not obvious: putting a batch wakes one thread, and each one that takes an item wakes the next while there is more. Quick handlers are
thus run in a row by few threads, with no hop per task (a C `SimpleQueue`; a lock of our own per task costs more than the task).
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

from asynq_compat.context import Context

_I = TypeVar("_I")
_R = TypeVar("_R")

# A stopped pool waits this long for a thread; one that is stuck in a handler is left behind, as a daemon.
_JOIN_S = 1.0


class _Worker(threading.Thread, Generic[_I]):
    def __init__(self, pool: Pool[_I]) -> None:
        super().__init__(name="asynq-worker", daemon=True)
        self.pool = pool
        self.done_count = 0  # Written by this thread alone.

    def run(self) -> None:
        get, work, is_empty = self.pool.items.get, self.pool.work, self.pool.items.empty
        item: _I | None = None
        try:
            while True:
                if is_empty():
                    self.pool.run_out()
                item = get()
                if item is None or not work(item):
                    break
                item = None
                self.done_count += 1
        except BaseException:
            self.pool.mourn(self, had_item=item is not None)
            raise  # Into the interpreter's hook: whatever it is, it was not the user's code.
        self.pool.forget(self)


class Pool(Generic[_I]):
    """Threads for what may block."""

    def __init__(self, size: int, work: Callable[[_I], bool], run_out: Callable[[], object]) -> None:
        self._size = size
        self.work = work
        self.run_out = run_out
        self.items: SimpleQueue[_I | None] = SimpleQueue()
        self._lock = threading.Lock()  # Guards the counts and the set of threads.
        self._workers: set[_Worker[_I]] = set()
        self._live_count = 0  # Threads that are not stuck.
        self._put_count = 0
        self._gone_count = 0  # Items done by threads that are gone, or given up.

    def submit(self, items: Sequence[_I]) -> None:
        """Have the items run, in this order as far as threads are free."""
        put = self.items.put
        for item in items:
            put(item)
        with self._lock:
            self._put_count += len(items)
            if self._live_count < self._size:
                failure = self._start_what_is_missing()
                if failure is not None and self._live_count == 0:
                    raise failure

    def replace(self) -> None:
        """Give up a thread that is stuck in an item: another takes its place when needed; it ends when its item does."""
        with self._lock:
            self._live_count -= 1
            self._gone_count += 1
            self._start_what_is_missing()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While inside, another thread may stand in for the caller's, which only waits."""
        with self._lock:
            self._live_count -= 1
            self._start_what_is_missing()
        try:
            yield
        finally:
            with self._lock:
                self._live_count += 1

    def stop(self) -> None:
        """End the threads that are idle and wait for them. Legal twice."""
        with self._lock:
            workers = list(self._workers)
            self._live_count = self._size  # No more are started.
        for _ in workers:
            self.items.put(None)
        is_stuck = False
        for worker in workers:
            if worker is threading.current_thread():
                continue  # A handler that stops the server.
            worker.join(0 if is_stuck else _JOIN_S)
            is_stuck = is_stuck or worker.is_alive()

    def forget(self, worker: _Worker[_I]) -> None:
        """A thread has ended; called by itself."""
        with self._lock:
            self._workers.discard(worker)
            self._gone_count += worker.done_count

    def mourn(self, worker: _Worker[_I], *, had_item: bool) -> None:
        """A thread has failed; called by itself."""
        self.forget(worker)
        with self._lock:
            self._live_count -= 1
            self._gone_count += had_item
            self._start_what_is_missing()

    def _start_what_is_missing(self) -> Exception | None:
        """Start threads as they are needed; return why there is none to be had. Those that there are do the work meanwhile."""
        waiting_count = self._put_count - self._gone_count - sum(worker.done_count for worker in self._workers)
        while self._live_count < min(self._size, waiting_count):
            worker = _Worker(self)
            try:
                worker.start()
            except (RuntimeError, MemoryError) as failure:
                return failure
            self._workers.add(worker)
            self._live_count += 1
        return None


class PlainCall(Generic[_R]):
    """One call of a plain function on a thread of the pool, in the caller's context variables."""

    def __init__(self, ctx: Context, replace: Callable[[], None], function: Callable[..., _R], *args: object) -> None:
        self.future: concurrent.futures.Future[_R] = concurrent.futures.Future()
        self._ctx = ctx
        self._replace = replace
        self._function = function
        self._args = args
        self._variables = contextvars.copy_context()
        # Guards the two flags: who comes first, the end of the call or that of its attempt.
        self._lock = threading.Lock()
        self._has_ended = False
        self._is_lost = False

    def __call__(self) -> bool:
        """Run it; return False when the thread was replaced in the meantime."""
        if not self.future.set_running_or_notify_cancel():
            return True
        forget = self._ctx.on_end(self._lose)
        try:
            result = self._variables.run(self._function, *self._args)
        except BaseException as error:  # noqa: BLE001 - the user's code; the caller gets it
            stays = self._stays()
            self.future.set_exception(error)
        else:
            stays = self._stays()
            self.future.set_result(result)
        forget()
        return stays

    def _stays(self) -> bool:
        with self._lock:
            self._has_ended = True
            return not self._is_lost

    def _lose(self) -> None:
        with self._lock:
            if self._has_ended or self._is_lost:
                return
            self._is_lost = True
        self._replace()
