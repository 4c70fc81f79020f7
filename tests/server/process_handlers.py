"""Which handlers do the tests of worker processes send there?

Contract: at the top level of a module that is quick to import, as a worker imports it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from typing import Any

import asynq_compat as asynq
from asynq_compat.engine.processes.between import messages

MUX = asynq.ServeMux()
HANG_S = 60.0


class Odd(Exception):
    """One that carries data, which only a live exception has."""

    def __init__(self, delay_s: int, *, counts: bool) -> None:
        super().__init__(f"odd {delay_s}")
        self.delay_s = delay_s
        self.counts = counts


def note(ctx: asynq.Context, task: asynq.Task, **more: object) -> int:
    """Write down where the handler runs, and what it knows."""
    assert task.result_writer is not None
    about = {
        "pid": os.getpid(),
        "thread": threading.current_thread().name,
        "id": asynq.get_task_id(ctx),
        "queue": asynq.get_queue_name(ctx),
        "retried": asynq.get_retry_count(ctx),
        "max_retry": asynq.get_max_retry(ctx),
        "deadline": None if ctx.deadline is None else ctx.deadline.isoformat(),
        "headers": dict(task.headers or {}),
        "base": ctx.value("base"),
        **more,
    }
    return task.result_writer.write(json.dumps(about).encode())


@MUX.on("plain")
def plain(ctx: asynq.Context, task: asynq.Task) -> None:
    note(ctx, task)


@MUX.on("async")
async def in_a_coroutine(ctx: asynq.Context, task: asynq.Task) -> None:
    async with asyncio.timeout(5):
        await asyncio.sleep(0.001)
    note(ctx, task)


@MUX.on("raise:skip")
def skip(ctx: asynq.Context, task: asynq.Task) -> None:
    raise asynq.SkipRetry("no use")


@MUX.on("raise:revoke")
async def revoke(ctx: asynq.Context, task: asynq.Task) -> None:
    raise asynq.RevokeTask


@MUX.on("raise:panic")
def panic(ctx: asynq.Context, task: asynq.Task) -> None:
    raise SystemExit("out")


@MUX.on("raise:odd")
async def odd(ctx: asynq.Context, task: asynq.Task) -> None:
    raise Odd(3600, counts=False)


@MUX.on("hang")
def hang(ctx: asynq.Context, task: asynq.Task) -> None:
    note(ctx, task)
    while not ctx.wait(HANG_S):
        pass
    (task.payload and note(ctx, task))  # Too late: it raises.


@MUX.on("hang:async")
async def hang_in_a_coroutine(ctx: asynq.Context, task: asynq.Task) -> None:
    note(ctx, task)
    await asyncio.sleep(HANG_S)


@MUX.on("slow")
async def slow(ctx: asynq.Context, task: asynq.Task) -> None:
    note(ctx, task)
    await asyncio.sleep(0.3)


@MUX.on("hold")
def hold(ctx: asynq.Context, task: asynq.Task) -> None:
    """Hold the interpreter: no thread of the process goes on meanwhile."""
    note(ctx, task)
    pow(7, 200_000_000)


@MUX.on("die:kill")
def die(ctx: asynq.Context, task: asynq.Task) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@MUX.on("die:fork")
def die_and_leave_a_child(ctx: asynq.Context, task: asynq.Task) -> None:
    """End while a process that was forked here, and has all of its files, lives on for a while."""
    if os.fork():
        os._exit(5)
    time.sleep(20)  # noqa: TID251 - nothing of the parent's may be waited for here
    os._exit(0)


@MUX.on("die:speechless")
def die_because_nothing_can_be_told(ctx: asynq.Context, task: asynq.Task) -> None:
    """The first attempt ends where there is no memory to say so; the second in another process."""

    def pack(message: messages.Message) -> bytes:
        if message[0] == messages.ENDED:
            raise MemoryError
        return packed(message)

    packed = messages.packed
    if ctx.retry_count == 0:
        messages.packed = pack
    else:
        note(ctx, task)


def _note_copy(ctx: asynq.Context, task: asynq.Task, pid: int) -> None:
    note(ctx, task, status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


@MUX.on("fork")
def come_back_twice(ctx: asynq.Context, task: asynq.Task) -> None:
    if pid := os.fork():
        _note_copy(ctx, task, pid)


@MUX.on("fork:fail")
def fail_in_a_copy(ctx: asynq.Context, task: asynq.Task) -> None:
    if not (pid := os.fork()):
        raise asynq.SkipRetry("the copy's error")
    _note_copy(ctx, task, pid)


@MUX.on("fork:async")
async def come_back_twice_from_a_coroutine(ctx: asynq.Context, task: asynq.Task) -> None:
    if pid := os.fork():
        _note_copy(ctx, task, pid)


@MUX.on("die:exit")
async def leave(ctx: asynq.Context, task: asynq.Task) -> None:
    os._exit(3)


@MUX.on("quick")
async def quick(ctx: asynq.Context, task: asynq.Task) -> None:
    pass


def deadly(following: asynq.HandlerFunc) -> asynq.HandlerFunc:
    """End the process while a chain is built, which is before its handler begins."""
    os._exit(4)


DEADLY = asynq.ServeMux()
DEADLY.handle("plain", plain)
DEADLY.use(deadly)


def base_context() -> asynq.Context:
    return asynq.Context().with_value("base", "ours")


def is_failure(error: Exception) -> bool:
    return not isinstance(error, Odd) or error.counts


def retry_delay(retried: int, error: Exception, task: asynq.Task) -> float:
    return error.delay_s if isinstance(error, Odd) else 0


class Told:
    """An error handler that writes down what it is told: a file takes lines from any process."""

    def __init__(self, path: str) -> None:
        self.path = path

    def handle_error(self, ctx: asynq.Context, task: asynq.Task, error: Exception, /) -> None:
        line = {"pid": os.getpid(), "type": task.type, "error": repr(error), "id": ctx.task_id}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """Return what was written down."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []
