"""Does a context end once, wake who waits, and carry values?"""

from __future__ import annotations

import asyncio
import threading

import pytest

from asynq_compat import context
from asynq_compat.context import Context, background
from asynq_compat.errors import ContextCanceledError, ContextDeadlineError, LeaseExpiredError


def test_a_fresh_context_knows_no_task_and_is_not_over() -> None:
    ctx = background()

    assert (ctx.deadline, ctx.err, ctx.reason, ctx.cancelled()) == (None, None, None, False)
    assert context.get_task_id(ctx) is None
    assert context.get_retry_count(ctx) is None
    assert context.get_max_retry(ctx) is None
    assert context.get_queue_name(ctx) is None
    assert ctx.wait(0) is False


def test_the_first_reason_stays() -> None:
    ctx = Context()

    ctx.cancel(LeaseExpiredError())
    ctx.cancel(ContextDeadlineError())

    assert ctx.cancelled()
    assert str(ctx.err) == "context canceled"
    assert isinstance(ctx.reason, LeaseExpiredError)


def test_without_a_reason_the_error_speaks_for_itself() -> None:
    ctx = Context()

    ctx.cancel()

    assert ctx.reason is ctx.err
    assert isinstance(ctx.err, ContextCanceledError)


def test_everybody_who_waits_is_woken() -> None:
    ctx = Context()
    results: list[bool] = []
    waiters = [threading.Thread(target=lambda: results.append(ctx.wait(60))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()

    ctx.cancel()

    for waiter in waiters:
        waiter.join(60)
    assert results == [True] * 3
    assert ctx.wait(60) is True


def test_a_callback_runs_once_also_when_it_comes_too_late() -> None:
    ctx = Context()
    calls: list[str] = []
    ctx.on_end(lambda: calls.append("early"))
    take_back = ctx.on_end(lambda: calls.append("taken back"))
    take_back()
    take_back()

    ctx.cancel()
    ctx.cancel()
    ctx.on_end(lambda: calls.append("late"))

    assert calls == ["early", "late"]


def test_values_are_looked_up_to_the_top_and_the_end_is_shared() -> None:
    top = Context()
    inner = top.with_value("a", 1).with_value("b", 2)

    assert (inner.value("a"), inner.value("b"), inner.value("c", "none")) == (1, 2, "none")
    assert top.value("a") is None
    calls: list[str] = []
    inner.on_end(lambda: calls.append("over"))
    inner.cancel()
    assert (top.cancelled(), inner.cancelled(), inner.wait(5), calls) == (True, True, True, ["over"])
    assert isinstance(inner.err, ContextCanceledError)
    assert (inner.deadline, inner.task_id, inner.retry_count, inner.max_retry, inner.queue_name) == (None,) * 5


def test_plain_and_async_code_can_call_each_other_through_it() -> None:
    ctx = Context().with_value("k", "v")

    async def name() -> str:
        return threading.current_thread().name

    async def both() -> tuple[str, str]:
        return await ctx.run_plain(lambda: threading.current_thread().name), await name()

    assert ctx.run_async(name()) == "MainThread"
    plain, coroutine = asyncio.run(both())
    assert plain != coroutine == "MainThread"


def test_an_error_of_the_awaitable_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Context().run_async(fail())
