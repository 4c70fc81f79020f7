"""Is an attempt that is ended from outside really over, and its slot free?"""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any, cast

import pytest

from asynq_compat.context import Context
from asynq_compat.errors import ContextDeadlineError
from asynq_compat.rules.task_state import TaskState
from asynq_compat.servemux import HandlerFunc, ServeMux
from asynq_compat.task import Task
from tests.server.ground import PATIENCE_S, Ground, wait_until

HANGS_S = 2 * PATIENCE_S
# The timeout of a task whose handler is to begin before it: less would do where nothing else runs.
BEGINS_WITHIN_S = 3


class Stubborn:
    """Handlers that hang until told otherwise; ``quick`` tasks end at once."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.release = threading.Event()
        self.cancelled = threading.Event()
        self.ended = threading.Event()
        self.ctx: Context | None = None

    def plain(self, ctx: Context, task: Task) -> None:
        """Hang, and look at nothing."""
        if task.type == "quick":
            return
        self.ctx = ctx
        ctx.on_end(self.cancelled.set)
        self.started.set()
        self.release.wait(HANGS_S)
        self.ended.set()

    async def coroutine(self, ctx: Context, task: Task) -> None:
        """Hang, and clean up when cancelled."""
        if task.type == "quick":
            return
        self.ctx = ctx
        self.started.set()
        try:
            await asyncio.sleep(HANGS_S)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.ended.set()

    def of_colour(self, colour: str) -> HandlerFunc:
        """Return the handler of that colour."""
        return self.plain if colour == "plain" else self.coroutine


@pytest.fixture(params=["plain", "coroutine"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stubborn() -> Any:
    handlers = Stubborn()
    yield handlers
    handlers.release.set()


def test_a_passed_deadline_frees_the_slot_while_the_handler_hangs(
    ground: Ground, stubborn: Stubborn, colour: str
) -> None:
    hanging = ground.enqueue("slow", timeout=BEGINS_WITHIN_S)

    with ground.serving(stubborn.of_colour(colour), concurrency=1):
        assert stubborn.started.wait(PATIENCE_S)
        quick = ground.enqueue("quick")
        ground.wait_for_state(hanging, TaskState.RETRY)
        ground.wait_for_state(quick, None)

        assert stubborn.cancelled.wait(PATIENCE_S)
        assert stubborn.ctx is not None
        assert isinstance(stubborn.ctx.err, ContextDeadlineError)
        stubborn.release.set()
        assert stubborn.ended.wait(PATIENCE_S)
        ground.wait_for_state(ground.enqueue("quick"), None)

    message = ground.message(hanging)
    assert (message.error_msg, message.retried) == ("context deadline exceeded", 1)


def test_a_deadline_that_has_passed_already_calls_no_handler(ground: Ground, stubborn: Stubborn, colour: str) -> None:
    task_id = ground.enqueue("slow", timeout=0, deadline=1_600_000_000, retry=0)

    with ground.serving(stubborn.of_colour(colour)):
        ground.wait_for_state(task_id, TaskState.ARCHIVED)

    assert ground.message(task_id).error_msg == "context deadline exceeded"
    assert not stubborn.started.is_set()


def test_a_task_is_cancelled_by_its_id(ground: Ground, stubborn: Stubborn, colour: str) -> None:
    task_id = ground.enqueue("slow")

    with ground.serving(stubborn.of_colour(colour), concurrency=1):
        assert stubborn.started.wait(PATIENCE_S)
        ground.broker.signalling.publish_cancelation("another id")
        ground.cancel_until(task_id, TaskState.RETRY)
        assert stubborn.cancelled.wait(PATIENCE_S)
        ground.wait_for_state(ground.enqueue("quick"), None)

    message = ground.message(task_id)
    assert (message.error_msg, message.retried) == ("context canceled", 1)


def test_results_cannot_be_written_after_the_end(ground: Ground) -> None:
    errors: list[Exception] = []
    wrote = threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        ctx.wait(HANGS_S)
        assert task.result_writer is not None
        try:
            task.result_writer.write(b"late")
        except ContextDeadlineError as error:
            errors.append(error)
        wrote.set()

    ground.enqueue(timeout=BEGINS_WITHIN_S)
    with ground.serving(handle):
        assert wrote.wait(PATIENCE_S)

    assert [str(error) for error in errors] == ["failed to write task result: context deadline exceeded"]


def test_what_outlasts_the_shutdown_is_handed_back_unchanged(ground: Ground, stubborn: Stubborn, colour: str) -> None:
    task_id = ground.enqueue("slow")

    with ground.serving(stubborn.of_colour(colour), shutdown_timeout=0.1):
        assert stubborn.started.wait(PATIENCE_S)

    assert ground.state(task_id) is TaskState.PENDING
    assert ground.message(task_id).retried == 0
    assert ground.message(task_id).error_msg == ""
    assert stubborn.cancelled.wait(PATIENCE_S)


def test_a_shutdown_waits_for_what_runs(ground: Ground, colour: str) -> None:
    started, release = threading.Event(), threading.Event()

    def plain(ctx: Context, task: Task) -> None:
        started.set()
        release.wait(PATIENCE_S)

    async def coroutine(ctx: Context, task: Task) -> None:
        started.set()
        await asyncio.to_thread(release.wait, PATIENCE_S)

    task_id = ground.enqueue()
    with ground.serving(
        plain if colour == "plain" else coroutine, shutdown_timeout=timedelta(seconds=PATIENCE_S)
    ) as server:
        assert started.wait(PATIENCE_S)
        server.stop()
        left = ground.enqueue()
        timer = threading.Timer(0.1, release.set)
        timer.start()
    timer.join()

    assert ground.state(task_id) is None
    assert ground.state(left) is TaskState.PENDING


def test_the_end_of_the_base_context_ends_the_runs_below_it(ground: Ground, stubborn: Stubborn, colour: str) -> None:
    base = Context().with_value("tenant", "acme")
    task_id = ground.enqueue("slow")

    with ground.serving(stubborn.of_colour(colour), base_context=lambda: base, concurrency=1):
        assert stubborn.started.wait(PATIENCE_S)
        assert stubborn.ctx is not None
        assert stubborn.ctx.value("tenant") == "acme"
        base.cancel()
        ground.wait_for_state(task_id, TaskState.RETRY)

        later = ground.enqueue("slow")
        ground.wait_for_state(later, TaskState.RETRY)

    assert ground.message(later).error_msg == "context canceled"


def test_a_thread_that_a_coroutine_lent_out_is_replaced_when_it_is_lost(ground: Ground, stubborn: Stubborn) -> None:
    """With one slot there is one thread; a function that hangs in it must not keep later tasks from running."""

    async def handle(ctx: Context, task: Task) -> None:
        await ctx.run_plain(stubborn.plain, ctx, task)

    hanging = ground.enqueue("slow", timeout=BEGINS_WITHIN_S)
    with ground.serving(handle, concurrency=1):
        assert stubborn.started.wait(PATIENCE_S)
        ground.wait_for_state(hanging, TaskState.RETRY)
        ground.wait_for_state(ground.enqueue("quick"), None)
        stubborn.release.set()
        assert stubborn.ended.wait(PATIENCE_S)
        ground.wait_for_state(ground.enqueue("quick"), None)


def test_a_blocked_handler_delays_no_other(ground: Ground, stubborn: Stubborn) -> None:
    ground.enqueue("slow")
    quick = [ground.enqueue("quick") for _ in range(50)]

    with ground.serving(stubborn.plain, concurrency=2):
        wait_until(lambda: all(ground.state(task_id) is None for task_id in quick), "quick tasks are left")
        stubborn.release.set()


def test_users_functions_are_asked_as_in_asynq_and_may_fail(ground: Ground) -> None:
    asked: list[object] = []

    def delay(retried: int, error: BaseException, task: Task) -> float:
        asked.append((retried, str(error), task.type, task.payload, task.result_writer))
        if task.type == "delay":
            raise RuntimeError("delay is broken")
        return cast("Any", "soon") if task.type == "text" else 1800.5 if task.type == "float" else 3600

    def is_failure(error: BaseException) -> bool:
        if "failure" in str(error):
            raise RuntimeError("is_failure is broken")
        return "harmless" not in str(error)

    async def tell(ctx: Context, task: Task, error: BaseException) -> None:
        asked.append(f"told {task.type}: {error}, {'over' if ctx.cancelled() else 'live'}")
        await asyncio.sleep(0)
        raise RuntimeError("the error handler is broken")

    def handle(ctx: Context, task: Task) -> None:
        raise ValueError(f"{task.type} went wrong")

    with ground.serving(handle, retry_delay_func=delay, is_failure=is_failure, error_handler=tell):
        ids = {}
        for name in ("delay", "text", "harmless", "failure", "float"):
            ids[name] = ground.enqueue(name, b"p", retried=4)
            ground.wait_for_state(ids[name], TaskState.RETRY)

    assert "told harmless: harmless went wrong, live" in asked
    assert (4, "harmless went wrong", "harmless", b"p", None) in asked
    assert {name: ground.message(task_id).retried for name, task_id in ids.items()} == {
        "delay": 5,
        "text": 5,
        "harmless": 4,
        "failure": 5,
        "float": 5,
    }


def test_a_broken_base_context_fails_the_task_alone(ground: Ground) -> None:
    task_ids = [ground.enqueue(), ground.enqueue()]

    with ground.serving(lambda ctx, task: None, base_context=lambda: cast("Any", None)):
        for task_id in task_ids:
            ground.wait_for_state(task_id, TaskState.RETRY)


def test_a_broken_middleware_fails_the_task_alone(ground: Ground) -> None:
    def broken(next_handler: HandlerFunc) -> HandlerFunc:
        raise ValueError("cannot be built")

    mux = ServeMux()
    mux.use(broken)
    task_id = ground.enqueue()

    with ground.serving(mux):
        ground.wait_for_state(task_id, TaskState.RETRY)

    assert ground.message(task_id).error_msg == "cannot be built"
