"""Does what an ordinary user writes, with the types they would give it, pass a strict type checker?

The proof is that this file passes mypy; that it runs shows that the functions are called as they are typed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, timedelta

import asynq_compat as asynq


def retry_delay(retried: int, err: Exception, task: asynq.Task) -> int:
    return 0 if isinstance(err, asynq.LeaseExpiredError) else retried * len(task.type)


def retry_delay_as_timedelta(retried: int, err: BaseException, task: asynq.Task) -> timedelta:
    return timedelta(seconds=retry_delay(retried, Exception(err), task))


def is_failure(err: Exception) -> bool:
    return not isinstance(err, ConnectionError)


def tell(ctx: asynq.Context, task: asynq.Task, err: Exception) -> None:
    logging.getLogger("user").debug("%s %s %s", ctx.task_id, task.type, err)


async def tell_async(ctx: asynq.Context, task: asynq.Task, err: Exception) -> None:
    tell(ctx, task, err)


class Teller:
    def handle_error(self, ctx: asynq.Context, task: asynq.Task, err: Exception) -> None:
        tell(ctx, task, err)


class AsyncTeller:
    async def handle_error(self, ctx: asynq.Context, task: asynq.Task, err: Exception) -> None:
        tell(ctx, task, err)


def health(err: Exception | None) -> None:
    tell(asynq.Context(), asynq.Task("health"), err or Exception())


def base_context() -> asynq.Context:
    return asynq.Context().with_value("user", 42)


def aggregate(group: str, tasks: list[asynq.Task]) -> asynq.Task:
    return asynq.Task(group, b"".join(task.payload or b"" for task in tasks))


class Aggregator:
    def aggregate(self, group: str, tasks: Sequence[asynq.Task]) -> asynq.Task:
        return aggregate(group, list(tasks))


class UserLogger:
    """As in Go: any number of arguments."""

    def debug(self, *args: object) -> None:
        del args

    info = warn = error = fatal = debug


def handle(ctx: asynq.Context, task: asynq.Task) -> None:
    if ctx.cancelled():
        raise asynq.SkipRetry(task.type)


async def handle_async(ctx: asynq.Context, task: asynq.Task) -> str:
    handle(ctx, task)
    return task.type


class Worker:
    def process_task(self, ctx: asynq.Context, task: asynq.Task) -> None:
        handle(ctx, task)


class AsyncWorker:
    async def process_task(self, ctx: asynq.Context, task: asynq.Task) -> None:
        await handle_async(ctx, task)


def middleware(next_handler: asynq.HandlerFunc) -> asynq.HandlerFunc:
    def run(ctx: asynq.Context, task: asynq.Task) -> None:
        next_handler(ctx.with_value("user", 42), task)

    return run


def async_middleware(next_handler: asynq.HandlerFunc) -> asynq.HandlerFunc:
    async def run(ctx: asynq.Context, task: asynq.Task) -> None:
        await next_handler(ctx, task)

    return run


def test_every_function_that_a_server_calls_may_be_typed_as_a_user_would() -> None:
    for delay in (retry_delay, retry_delay_as_timedelta):
        asynq.Config(retry_delay_func=delay, is_failure=is_failure, base_context=base_context, health_check_func=health)
    asynq.Config(error_handler=tell, group_aggregator=aggregate, logger=UserLogger())
    asynq.Config(error_handler=tell_async, group_aggregator=Aggregator(), logger=logging.getLogger("user"))
    asynq.Config(error_handler=Teller())
    asynq.Config(error_handler=AsyncTeller())


def before(task: asynq.Task, opts: Sequence[asynq.Option]) -> None:
    tell(asynq.Context(), task, Exception(opts))


def after(info: asynq.TaskInfo | None, err: Exception | None) -> None:
    tell(asynq.Context(), asynq.Task(info.type if info else ""), err or Exception())


def enqueue_error(task: asynq.Task, opts: Sequence[asynq.Option], err: Exception) -> None:
    before(task, opts)


class Provider:
    def get_configs(self) -> list[asynq.PeriodicTaskConfig]:
        return [asynq.PeriodicTaskConfig("@daily", asynq.Task("t"), [asynq.Queue("low")])]


def test_what_a_scheduler_is_given_may_be_typed_as_a_user_would() -> None:
    opts = asynq.SchedulerOpts(
        pre_enqueue_func=before, post_enqueue_func=after, enqueue_error_handler=enqueue_error, location=UTC
    )
    provider: asynq.PeriodicTaskConfigProvider = Provider()
    asynq.PeriodicTaskManager(
        asynq.PeriodicTaskManagerOpts(periodic_task_config_provider=provider, scheduler_opts=opts, sync_interval=60)
    )
    asynq.Scheduler("memory://types", opts).register("@daily", asynq.Task("t"), asynq.MaxRetry(1), queue="low")


def test_every_kind_of_handler_may_be_typed_as_a_user_would() -> None:
    mux = asynq.ServeMux()
    mux.use(middleware, async_middleware)
    mux.handle_func("plain", handle)
    mux.handle_func("async", handle_async)
    mux.handle("worker", Worker())
    mux.handle("async worker", AsyncWorker())

    @mux.on("decorated")
    async def decorated(ctx: asynq.Context, task: asynq.Task) -> None:
        await handle_async(ctx, task)

    assert mux.handler(asynq.Task("plain"))[1] == "plain"
