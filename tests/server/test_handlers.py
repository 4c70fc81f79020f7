"""Can a handler do what it may, and does what it does have Asynq's outcome?"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from asynq_compat.context import Context, get_max_retry, get_queue_name, get_retry_count, get_task_id
from asynq_compat.engine.failures import is_panic_error
from asynq_compat.errors import ContextCanceledError, InvalidArgumentError, RevokeTask, SkipRetry
from asynq_compat.rules.task_state import TaskState
from asynq_compat.servemux import HandlerFunc, ServeMux
from asynq_compat.task import Task
from tests.server.ground import PATIENCE_S, Ground

TRACE: contextvars.ContextVar[str] = contextvars.ContextVar("TRACE", default="unset")


def both_colours(function: Callable[[Context, Task], object]) -> list[HandlerFunc]:
    """Return a plain and an async handler that do the same."""

    def plain(ctx: Context, task: Task) -> None:
        function(ctx, task)

    async def coroutine(ctx: Context, task: Task) -> None:
        await asyncio.sleep(0)
        function(ctx, task)

    return [plain, coroutine]


@pytest.mark.parametrize("colour", [0, 1])
def test_a_handler_sees_its_task_and_its_run(ground: Ground, colour: int) -> None:
    seen: dict[str, object] = {}

    def look(ctx: Context, task: Task) -> None:
        seen.update(
            type=task.type,
            payload=task.payload,
            headers=task.headers and dict(task.headers),
            id=get_task_id(ctx),
            retried=get_retry_count(ctx),
            max_retry=get_max_retry(ctx),
            queue=get_queue_name(ctx),
            deadline=ctx.deadline,
            cancelled=ctx.cancelled(),
        )

    task_id = ground.enqueue("t", b"\x00p", headers={"trace": "a1"}, retry=7, retried=2, timeout=60)
    with ground.serving(both_colours(look)[colour]):
        ground.wait_for_state(task_id, None)

    deadline = seen.pop("deadline")
    assert isinstance(deadline, datetime)
    assert timedelta(seconds=30) < deadline - datetime.now(UTC) <= timedelta(seconds=60)
    assert seen == {
        "type": "t",
        "payload": b"\x00p",
        "headers": {"trace": "a1"},
        "id": task_id,
        "retried": 2,
        "max_retry": 7,
        "queue": "default",
        "cancelled": False,
    }


def test_asyncios_tools_work_from_the_first_line(ground: Ground) -> None:
    results: list[object] = []

    async def handle(ctx: Context, task: Task) -> None:
        results.append(asyncio.current_task() is not None)
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(30)
        except TimeoutError:
            results.append("timed out")
        async with asyncio.TaskGroup() as group:
            children = [group.create_task(asyncio.sleep(0, result=n)) for n in range(3)]
        results.append([child.result() for child in children])
        results.append(await asyncio.to_thread(lambda: "threads too"))

    task_id = ground.enqueue()
    with ground.serving(handle):
        ground.wait_for_state(task_id, None)

    assert results == [True, "timed out", [0, 1, 2], "threads too"]


@pytest.mark.parametrize("colour", [0, 1])
def test_context_variables_come_from_the_starter_and_stay_in_the_run(ground: Ground, colour: int) -> None:
    seen: list[str] = []

    def handle(ctx: Context, task: Task) -> None:
        seen.append(TRACE.get())
        TRACE.set(f"set by {task.type}")

    token = TRACE.set("starter")
    ids = [ground.enqueue(f"t{n}") for n in range(3)]
    with ground.serving(both_colours(handle)[colour], concurrency=1):
        for task_id in ids:
            ground.wait_for_state(task_id, None)
    TRACE.reset(token)

    assert seen == ["starter"] * 3


def test_a_thread_of_the_handlers_own_hears_its_end(ground: Ground) -> None:
    heard = threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        def listen() -> None:
            if ctx.wait(PATIENCE_S):
                heard.set()

        threading.Thread(target=listen).start()

    task_id = ground.enqueue()
    with ground.serving(handle):
        ground.wait_for_state(task_id, None)

        assert heard.wait(PATIENCE_S)


@pytest.mark.parametrize("colour", [0, 1])
def test_a_result_is_kept_with_a_retained_task(ground: Ground, colour: int) -> None:
    counts: list[int] = []

    def handle(ctx: Context, task: Task) -> None:
        assert task.result_writer is not None
        assert task.result_writer.task_id == get_task_id(ctx)
        counts.append(task.result_writer.write(b"first"))
        counts.append(task.result_writer.write(b"the last"))
        with pytest.raises(InvalidArgumentError, match="bytes"):
            task.result_writer.write(cast("Any", "text"))

    task_id = ground.enqueue(retention=600)
    with ground.serving(both_colours(handle)[colour]):
        ground.wait_for_state(task_id, TaskState.COMPLETED)

    stored = ground.stored(task_id)
    assert getattr(stored, "result", None) == b"the last"
    assert counts == [5, 8]
    assert ground.message(task_id).completed_at > 0


def skip_as_a_cause() -> None:
    raise ValueError("bad address") from SkipRetry()


def skip_in_a_group() -> None:
    raise ExceptionGroup("two", [ValueError("one"), SkipRetry("no use")])


def revoke_over_skip() -> None:
    raise SkipRetry from RevokeTask()


def fail(error: BaseException) -> Callable[[], None]:
    def do() -> None:
        raise error

    return do


@pytest.mark.parametrize("colour", [0, 1])
@pytest.mark.parametrize(
    ("act", "state", "text"),
    [
        (fail(ValueError("no luck")), TaskState.RETRY, "no luck"),
        (fail(KeyError()), TaskState.RETRY, "KeyError"),
        (fail(ValueError("a lone \ud800 surrogate")), TaskState.RETRY, "a lone ? surrogate"),
        (fail(SkipRetry()), TaskState.ARCHIVED, "skip retry for the task"),
        (skip_as_a_cause, TaskState.ARCHIVED, "bad address"),
        (skip_in_a_group, TaskState.ARCHIVED, "two (2 sub-exceptions)"),
        (fail(RevokeTask()), None, ""),
        (revoke_over_skip, None, ""),
        (fail(asyncio.CancelledError()), TaskState.RETRY, "CancelledError"),
    ],
)
def test_what_a_handler_raises_has_asynqs_outcome(
    ground: Ground, colour: int, act: Callable[[], None], state: TaskState | None, text: str
) -> None:
    task_id = ground.enqueue(retention=600)

    with ground.serving(both_colours(lambda ctx, task: act())[colour]):
        ground.wait_for_state(task_id, state)

    if state is not None:
        message = ground.message(task_id)
        assert message.error_msg == text
        assert message.retried == (1 if state is TaskState.RETRY else 0)
        assert message.last_failed_at > 0


@pytest.mark.parametrize("colour", [0, 1])
def test_an_exhausted_task_is_archived_with_its_counter_unchanged(ground: Ground, colour: int) -> None:
    task_id = ground.enqueue(retry=3, retried=3)

    with ground.serving(both_colours(lambda ctx, task: fail(ValueError("last"))())[colour]):
        ground.wait_for_state(task_id, TaskState.ARCHIVED)

    assert (ground.message(task_id).retried, ground.message(task_id).error_msg) == (3, "last")


@pytest.mark.parametrize("colour", [0, 1])
@pytest.mark.parametrize("error", [SystemExit("gone"), KeyboardInterrupt("gone")])
def test_what_is_no_exception_is_a_panic(ground: Ground, colour: int, error: BaseException) -> None:
    told: list[BaseException] = []
    task_id = ground.enqueue()

    with ground.serving(
        both_colours(lambda ctx, task: fail(error)())[colour], error_handler=lambda ctx, task, err: told.append(err)
    ):
        ground.wait_for_state(task_id, TaskState.RETRY)
        other = ground.enqueue()
        ground.wait_for_state(other, TaskState.RETRY)

    text = ground.message(task_id).error_msg
    assert text.startswith("panic error cause by: panic [")
    assert text.endswith("]: gone")
    assert "test_handlers.py:" in text
    assert all(is_panic_error(err) for err in told)
    assert not is_panic_error(ValueError())


@pytest.mark.parametrize("colour", [0, 1])
def test_the_users_functions_are_given_exceptions_alone(ground: Ground, colour: int) -> None:
    """A cancellation that nobody asked for is none in Python; as in Go it is the handler's own error."""
    given: list[Exception] = []

    def decide(err: Exception) -> bool:
        given.append(err)
        return True

    def delay(retried: int, err: Exception, task: Task) -> int:
        given.append(err)
        return 60

    task_id = ground.enqueue()
    with ground.serving(
        both_colours(lambda ctx, task: fail(asyncio.CancelledError())())[colour],
        error_handler=lambda ctx, task, err: given.append(err),
        is_failure=decide,
        retry_delay_func=delay,
    ):
        ground.wait_for_state(task_id, TaskState.RETRY)

    assert [type(err) for err in given] == [ContextCanceledError] * 3
    assert isinstance(given[0].__cause__, asyncio.CancelledError)


def test_an_unknown_type_is_an_ordinary_failure(ground: Ground) -> None:
    task_id = ground.enqueue("nobody:knows")

    with ground.serving(ServeMux()):
        ground.wait_for_state(task_id, TaskState.RETRY)

    assert ground.message(task_id).error_msg == 'handler not found for task "nobody:knows"'


def a_plain_middleware(calls: list[str]) -> Callable[[HandlerFunc], HandlerFunc]:
    def wrap(next_handler: HandlerFunc) -> HandlerFunc:
        def handle(ctx: Context, task: Task) -> None:
            calls.append("> plain")
            next_handler(ctx.with_value("user", 42), task)
            calls.append("< plain")

        return handle

    return wrap


def an_async_middleware(calls: list[str]) -> Callable[[HandlerFunc], HandlerFunc]:
    def wrap(next_handler: HandlerFunc) -> HandlerFunc:
        async def handle(ctx: Context, task: Task) -> None:
            calls.append(f"> async in {threading.current_thread().name}")
            await next_handler(ctx, task)
            calls.append("< async")

        return handle

    return wrap


def test_middlewares_of_both_colours_work_in_a_server(ground: Ground) -> None:
    calls: list[str] = []
    mux = ServeMux()

    @mux.on("async")
    async def handle_async(ctx: Context, task: Task) -> None:
        calls.append(f"async {ctx.value('user')} in {threading.current_thread().name}")

    @mux.on("plain")
    def handle_plain(ctx: Context, task: Task) -> None:
        calls.append(f"plain {ctx.value('user')} in {threading.current_thread().name}")

    mux.use(a_plain_middleware(calls), an_async_middleware(calls))
    with ground.serving(mux, concurrency=1):
        for kind in ("async", "plain"):
            ground.wait_for_state(ground.enqueue(kind), None)

    before, after = ["> plain", "> async in asynq-loop"], ["< async", "< plain"]
    assert calls == [
        *before,
        "async 42 in asynq-loop",
        *after,
        *before,
        "plain 42 in asynq-worker",
        *after,
    ]


def test_a_plain_function_may_return_a_coroutine(ground: Ground) -> None:
    async def work(name: str) -> None:
        await asyncio.sleep(0)
        names.append((name, threading.current_thread().name))

    names: list[tuple[str, str]] = []
    task_id = ground.enqueue()
    with ground.serving(lambda ctx, task: work(task.type)):
        ground.wait_for_state(task_id, None)

    assert names == [("t", "asynq-loop")]


def test_a_generator_that_nobody_runs_is_no_success(ground: Ground) -> None:
    task_id = ground.enqueue()
    with ground.serving(lambda ctx, task: (n for n in range(3))):
        ground.wait_for_state(task_id, TaskState.RETRY)

    assert "whose body has not run" in ground.message(task_id).error_msg


def test_an_error_longer_than_a_frame_is_settled(ground: Ground) -> None:
    def fail(ctx: Context, task: Task) -> None:
        raise ValueError("😀" * 5_000_000)

    task_ids = [ground.enqueue(retry=retry) for retry in (0, 1)]
    with ground.serving(fail):
        ground.wait_for_state(task_ids[0], TaskState.ARCHIVED)
        ground.wait_for_state(task_ids[1], TaskState.RETRY)

    assert ground.message(task_ids[1]).error_msg.startswith("😀" * 1000)


def test_a_failure_is_logged_where_no_error_handler_hears_of_it(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(ctx: Context, task: Task) -> None:
        raise KeyError("user_id")

    heard: list[BaseException] = []
    task_ids = [ground.enqueue(), ground.enqueue()]
    with ground.serving(fail):
        for task_id in task_ids:
            ground.wait_for_state(task_id, TaskState.RETRY)
    with ground.serving(fail, error_handler=lambda ctx, task, error: heard.append(error)):
        ground.wait_for_state(ground.enqueue(), TaskState.RETRY)

    lines = [record.getMessage() for record in caplog.records if " failed: " in record.getMessage()]
    place = f"[{__file__}:{fail.__code__.co_firstlineno + 1}]"
    assert sorted(lines) == sorted(
        f"task id={one} of type \"t\" failed: KeyError: 'user_id' {place}" for one in task_ids
    )
    assert len(heard) == 1
