"""Does a handler find its asyncio task as if it were the first one in it?"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
import weakref
from collections.abc import Awaitable, Callable

import pytest

from asynq_compat.context import Context
from asynq_compat.engine.looping.carriers import Carriers
from asynq_compat.engine.run import Run
from asynq_compat.ports.consuming import Lease
from asynq_compat.task import Task
from asynq_compat.wire.message import TaskMessage
from tests.unit.engine.test_deadlines import Ever, NoHome

TRACE: contextvars.ContextVar[object] = contextvars.ContextVar("TRACE", default="none")
Handler = Callable[[], Awaitable[object]]


class Ground:
    """Carriers on a loop, and how the attempts ended."""

    def __init__(self, context: contextvars.Context, run_out: Callable[[], object] = lambda: None) -> None:
        self.running: set[Run] = set()
        self.ended: dict[str, BaseException | None] = {}
        self.all_ended = asyncio.Event()
        self.carriers = Carriers(
            asyncio.get_running_loop(), context, self.running, lambda run: self._end(run, None), self._end, run_out
        )

    def _end(self, run: Run, error: BaseException | None) -> None:
        self.running.remove(run)
        self.ended[run.lease.task_id] = error
        if not self.running:
            self.all_ended.set()

    def run(self, name: str, handler: Handler) -> Run:
        """Return an attempt that calls `handler`."""

        async def function(ctx: Context, task: Task) -> object:
            return await handler()

        run = Run(NoHome(), Lease("q", name, b"", Ever()), TaskMessage(), 0, 0)  # type: ignore[arg-type]  # no home
        run.function = function
        self.running.add(run)
        return run


def play(*handlers: Handler, context: contextvars.Context | None = None) -> list[BaseException | None]:
    """Submit the handlers together; return how they ended, in their order."""

    async def whole() -> list[BaseException | None]:
        ground = Ground(context or contextvars.Context())
        ground.carriers.submit([ground.run(str(number), handler) for number, handler in enumerate(handlers)])
        await asyncio.wait_for(ground.all_ended.wait(), 30)
        return [ground.ended[str(number)] for number in range(len(handlers))]

    return asyncio.run(whole())


def own_task() -> asyncio.Task[object]:
    """Return the task that the caller is in."""
    task = asyncio.current_task()
    assert task is not None
    return task


@pytest.mark.parametrize("variables", [{}, {TRACE: "base"}])
def test_handlers_that_leave_nothing_behind_share_a_task(variables: dict[contextvars.ContextVar[object], str]) -> None:
    context = contextvars.Context()
    for variable, value in variables.items():
        context.run(variable.set, value)
    seen: list[str] = []

    async def handle() -> None:
        seen.append(own_task().get_name())
        own_task().set_name("used")
        async with asyncio.timeout(30), asyncio.TaskGroup():
            pass
        if variables:
            TRACE.reset(TRACE.set("for a moment"))
        if len(seen) % 10 == 0:
            raise ValueError("no matter")

    ended = play(*[handle] * 30, context=context)

    assert len(seen) == 30
    assert seen.count("used") > 15  # On a slow machine a carrier's time may be over.
    assert [bool(error) for error in ended] == ([False] * 9 + [True]) * 3


def test_context_variables_reach_no_other_handler() -> None:
    base = ["base"]
    context = contextvars.Context()
    context.run(TRACE.set, base)
    seen: list[object] = []

    async def sets_an_equal_one() -> None:
        seen.append(TRACE.get())
        TRACE.set(list(base))

    other: contextvars.ContextVar[object] = contextvars.ContextVar("other")

    async def sets_another() -> None:
        seen.extend((TRACE.get(), other.get(None)))
        other.set(1)

    play(sets_an_equal_one, sets_another, sets_another, sets_an_equal_one, context=context)
    play(sets_another, sets_another)

    assert [one is base for one in seen if isinstance(one, list)] == [True] * 4
    assert [one for one in seen if not isinstance(one, list)] == [None, None, "none", None, "none", None]


async def cancels_itself() -> None:
    own_task().cancel()


async def cancels_itself_and_thinks_better_of_it() -> None:
    own_task().cancel()
    own_task().uncancel()


async def swallows_its_cancellation() -> None:
    own_task().cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(30)


@pytest.mark.parametrize("handler", [cancels_itself, cancels_itself_and_thinks_better_of_it, swallows_its_cancellation])
def test_a_pending_cancellation_reaches_no_other_handler(handler: Handler) -> None:
    counts: list[int] = []

    async def waits() -> None:
        counts.append(own_task().cancelling())
        await asyncio.sleep(0)

    async def does_not() -> None:
        counts.append(own_task().cancelling())

    assert play(handler, waits, handler, does_not, handler, waits) == [None] * 6
    assert counts == [0] * 3


def test_a_handler_that_cancels_itself_and_waits_is_cancelled_alone() -> None:
    async def handle() -> None:
        own_task().cancel()
        await asyncio.sleep(0)

    async def waits() -> None:
        await asyncio.sleep(0.001)

    ended = play(waits, handle, waits)

    assert [type(error) for error in ended] == [type(None), asyncio.CancelledError, type(None)]


@pytest.mark.parametrize("keep", [lambda task: lambda: task, weakref.ref])
def test_a_task_that_was_kept_is_no_other_handlers(keep: Callable[[object], Callable[[], object]]) -> None:
    kept: list[Callable[[], object]] = []

    async def keeps() -> None:
        kept.append(keep(own_task()))

    async def cancels() -> None:
        task = kept[0]()
        if isinstance(task, asyncio.Task):
            assert task is not own_task()
            task.cancel()
        await asyncio.sleep(0)

    assert play(keeps, cancels, keeps) == [None] * 3


def test_whoever_listens_for_the_end_of_a_task_hears_of_its_handlers() -> None:
    heard: list[str] = []

    async def listens() -> None:
        own_task().add_done_callback(lambda _: heard.append("ended"))

    async def follows() -> None:
        await asyncio.sleep(0)
        heard.append("another")
        await asyncio.sleep(0)

    play(listens, follows)

    assert heard == ["ended", "another"]


def test_one_that_waits_holds_nobody_up_and_has_its_name() -> None:
    async def whole() -> list[str]:
        ground = Ground(contextvars.Context())
        gate = asyncio.Event()
        order: list[str] = []

        async def waits() -> None:
            await gate.wait()
            order.append(own_task().get_name())

        async def opens() -> None:
            order.append("opens")
            gate.set()

        ground.carriers.submit([ground.run(f"waits-{n}", waits) for n in range(3)] + [ground.run("opens", opens)])
        await asyncio.wait_for(ground.all_ended.wait(), 30)
        return order

    assert asyncio.run(whole()) == ["opens", "waits-0", "waits-1", "waits-2"]


def test_handlers_that_never_wait_let_others_go_on() -> None:
    ticks: list[int] = []

    async def spins() -> None:
        until_s = time.monotonic() + 0.0005
        while time.monotonic() < until_s:
            pass

    async def ticker() -> None:
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    async def whole() -> None:
        ground = Ground(contextvars.Context())
        beside = asyncio.create_task(ticker())
        ground.carriers.submit([ground.run(str(n), spins) for n in range(40)])
        await asyncio.wait_for(ground.all_ended.wait(), 30)
        beside.cancel()

    asyncio.run(whole())

    assert len(ticks) >= 5


def test_an_attempt_that_was_ended_before_does_not_begin_and_a_waiting_one_can_be_cancelled_at_once() -> None:
    async def whole() -> None:
        ground = Ground(contextvars.Context())
        begun: list[str] = []

        async def waits() -> None:
            begun.append("waits")
            await asyncio.sleep(30)

        async def never() -> None:
            begun.append("never")

        waiting, ended = ground.run("waits", waits), ground.run("never", never)
        ground.carriers.submit([waiting, ended])
        ground.running.remove(ended)
        while not begun:
            await asyncio.sleep(0)
        ground.carriers.look()
        assert waiting.coroutine is not None
        waiting.coroutine.cancel()
        await asyncio.wait_for(ground.all_ended.wait(), 30)

        assert begun == ["waits"]
        assert isinstance(ground.ended["waits"], asyncio.CancelledError)

    asyncio.run(whole())


@pytest.mark.parametrize("pause_s", [None, 0.001])
def test_what_is_brought_when_all_is_done_runs_too_and_finds_nothing_of_who_brought_it(pause_s: float | None) -> None:
    async def whole() -> list[object]:
        seen: list[object] = []

        async def handle() -> None:
            seen.append(TRACE.get())
            if pause_s is not None:
                await asyncio.sleep(pause_s)

        def bring() -> None:
            if len(seen) < 20:
                ground.carriers.submit([ground.run(f"{len(seen)}-{n}", handle) for n in range(2)])
            TRACE.set("of who brought it")

        ground = Ground(contextvars.Context(), bring)
        ground.carriers.submit([ground.run("first", handle)])
        deadline = asyncio.get_running_loop().time() + 30
        while len(seen) < 21 and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.001)
        return seen

    seen = asyncio.run(whole())

    assert len(seen) >= 21
    assert set(seen) == {"none"}


def test_whoever_saw_that_more_waits_is_followed_by_the_call_that_may_bring_more() -> None:
    events: list[str] = []

    async def whole() -> None:
        ground = Ground(contextvars.Context(), lambda: events.append("ran out"))

        async def handle() -> None:
            events.append("more" if ground.carriers.has_more else "last")

        ground.carriers.submit([ground.run(str(number), handle) for number in range(3)])
        await asyncio.wait_for(ground.all_ended.wait(), 30)
        await asyncio.sleep(0)

    asyncio.run(whole())

    assert events[:4] == ["more", "more", "last", "ran out"]
