"""Does a sandbox run tasks as a server would, and tell what was enqueued?"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.testing import ANY, Sandbox, VirtualClock
from tests.services.waiting import wait_until


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def _mux(**handlers: asynq.HandlerFunc) -> asynq.ServeMux:
    mux = asynq.ServeMux()
    for pattern, handler in handlers.items():
        mux.handle_func(pattern, handler)
    return mux


def _fail(ctx: asynq.Context, task: asynq.Task) -> None:
    raise ValueError("no such user")


def _do(ctx: asynq.Context, task: asynq.Task) -> None:
    """Do nothing, successfully."""


def test_a_handler_that_does_not_take_ctx_and_task_is_refused_and_no_task_is_tried(sandbox: Sandbox) -> None:
    asynq.Client().enqueue(asynq.Task("t"))
    of_one: Any = lambda task: None  # noqa: E731 - what a test writes

    with pytest.raises(asynq.InvalidPatternError, match=r"a handler is called with \(ctx, task\)"):
        sandbox.run_all(of_one)

    assert [attempt.error for attempt in sandbox.run_all(_do)] == [None]


# --- a server's rules -------------------------------------------------------------------------------------------------------------


def test_what_handlers_enqueue_is_run_too(sandbox: Sandbox) -> None:
    def parent(ctx: asynq.Context, task: asynq.Task) -> None:
        asynq.Client().enqueue(asynq.Task("child"), queue="another")

    sandbox.client.enqueue(asynq.Task("parent"))
    attempts = sandbox.run_all(_mux(parent=parent, child=_do))

    assert [(attempt.type, attempt.queue, attempt.error, attempt.state) for attempt in attempts] == [
        ("parent", "default", None, None),
        ("child", "another", None, None),
    ]


def test_a_handler_runs_on_the_thread_of_the_test(sandbox: Sandbox) -> None:
    threads = []
    sandbox.client.enqueue(asynq.Task("plain"))

    sandbox.run_all(_mux(plain=lambda ctx, task: threads.append(threading.current_thread())))

    assert threads == [threading.current_thread()]


def test_coroutines_of_one_run_share_an_event_loop(sandbox: Sandbox) -> None:
    loops = []

    async def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    sandbox.client.enqueue_many([asynq.Task("mail"), asynq.Task("mail")])
    sandbox.run_all(_mux(mail=handler))

    assert len(loops) == 2
    assert loops[0] is loops[1]


def test_middlewares_of_both_colours_wrap_handlers_of_both(sandbox: Sandbox) -> None:
    seen: list[str] = []

    def plain(next_handler: asynq.HandlerFunc) -> asynq.HandlerFunc:
        def run(ctx: asynq.Context, task: asynq.Task) -> None:
            seen.append("plain")
            next_handler(ctx, task)

        return run

    def coroutine(next_handler: asynq.HandlerFunc) -> asynq.HandlerFunc:
        async def run(ctx: asynq.Context, task: asynq.Task) -> None:
            seen.append("async")
            await next_handler(ctx, task)

        return run

    async def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        seen.append(task.type)

    mux = _mux(a=handler, p=lambda ctx, task: seen.append(task.type))
    mux.use(plain, coroutine, plain)
    sandbox.client.enqueue_many([asynq.Task("a"), asynq.Task("p")])

    assert [attempt.error for attempt in sandbox.run_all(mux)] == [None, None]
    assert seen == ["plain", "async", "plain", "a", "plain", "async", "plain", "p"]


def test_a_failed_task_is_tried_again_when_its_time_has_come(sandbox: Sandbox) -> None:
    config = asynq.Config(retry_delay_func=lambda retried, error, task: 100 * (retried + 1))
    info = sandbox.client.enqueue(asynq.Task("mail"), max_retry=1)

    first = sandbox.run_all(_mux(mail=_fail), config)
    sandbox.clock.advance(99)
    too_early = sandbox.run_all(_mux(mail=_fail), config)
    sandbox.clock.advance(timedelta(seconds=1))
    second = sandbox.run_all(_mux(mail=_fail), config)

    assert [attempt.state for attempt in first] == [asynq.TaskState.RETRY]
    assert str(first[0].error) == "no such user"
    assert too_early == []
    assert [(attempt.retried, attempt.state) for attempt in second] == [(1, asynq.TaskState.ARCHIVED)]
    assert sandbox.inspector.get_task_info("default", info.id).last_err == "no such user"


def test_skip_retry_archives_and_revoke_deletes(sandbox: Sandbox) -> None:
    def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        raise asynq.SkipRetry("hopeless") if task.type == "skip" else asynq.RevokeTask("not wanted")

    sandbox.client.enqueue_many([asynq.Task("skip"), asynq.Task("revoke")])

    assert [attempt.state for attempt in sandbox.run_all(handler)] == [asynq.TaskState.ARCHIVED, None]
    info = sandbox.inspector.get_queue_info("default")
    assert (info.archived, info.size) == (1, 1)


def test_a_result_is_kept_as_long_as_the_task(sandbox: Sandbox) -> None:
    def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        assert task.result_writer is not None
        task.result_writer.write(b"42")

    kept = sandbox.client.enqueue(asynq.Task("sum"), retention=60)
    sandbox.client.enqueue(asynq.Task("sum"))

    assert [(attempt.result, attempt.state) for attempt in sandbox.run_all(handler)] == [
        (b"42", asynq.TaskState.COMPLETED),
        (b"42", None),
    ]
    assert sandbox.inspector.get_task_info("default", kept.id).result == b"42"
    sandbox.clock.advance(61)
    sandbox.client.enqueue(asynq.Task("another"))
    with pytest.raises(asynq.TaskNotFoundError):
        sandbox.inspector.get_task_info("default", kept.id)


def test_a_unique_task_frees_its_lock_when_it_is_done(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("mail"), unique=3600)
    with pytest.raises(asynq.DuplicateTaskError):
        sandbox.client.enqueue(asynq.Task("mail"), unique=3600)
    sandbox.assert_enqueued("mail", unique=3600, count=1)

    sandbox.run_all(_mux(mail=_do))

    sandbox.client.enqueue(asynq.Task("mail"), unique=3600)


def test_the_error_handler_hears_of_failures(sandbox: Sandbox) -> None:
    told: list[tuple[str | None, str]] = []

    async def tell(ctx: asynq.Context, task: asynq.Task, error: Exception) -> None:
        told.append((asynq.get_task_id(ctx), str(error)))

    sandbox.client.enqueue(asynq.Task("mail"), task_id="one")
    sandbox.run_all(_mux(mail=_fail), asynq.Config(error_handler=tell))

    assert told == [("one", "no such user")]


def test_a_type_that_nobody_handles_fails(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("unheard-of"))

    (attempt,) = sandbox.run_all(asynq.ServeMux())

    assert isinstance(attempt.error, asynq.HandlerNotFoundError)


def test_a_panic_is_named_as_a_server_names_it(sandbox: Sandbox) -> None:
    def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        raise SystemExit(3)

    sandbox.client.enqueue(asynq.Task("mail"))
    (attempt,) = sandbox.run_all(handler)

    assert attempt.error is not None
    assert asynq.is_panic_error(attempt.error)


def test_a_handler_that_lets_its_time_pass_is_over_its_deadline(sandbox: Sandbox) -> None:
    seen: list[bool] = []

    def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        sandbox.clock.advance(29)
        seen.append(ctx.cancelled())
        sandbox.clock.advance(1)
        seen.append(ctx.cancelled())

    sandbox.client.enqueue(asynq.Task("mail"), timeout=30)
    (attempt,) = sandbox.run_all(handler)

    assert seen == [False, True]
    assert isinstance(attempt.error, asynq.ContextDeadlineError)
    assert attempt.state is asynq.TaskState.RETRY


def test_a_handler_that_takes_hours_keeps_its_lease(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("mail"), timeout=timedelta(hours=3))

    (attempt,) = sandbox.run_all(_mux(mail=lambda ctx, task: sandbox.clock.advance(timedelta(hours=2))))

    assert (attempt.error, attempt.state) == (None, None)
    assert sandbox.inspector.get_queue_info("default").size == 0


def test_a_paused_queue_waits(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("mail"))
    sandbox.inspector.pause_queue("default")
    assert sandbox.run_all(_mux(mail=_do)) == []

    sandbox.inspector.unpause_queue("default")

    assert len(sandbox.run_all(_mux(mail=_do))) == 1


def test_a_config_says_which_queues_are_served(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("mail"), queue="forgotten")

    assert sandbox.run_all(_mux(mail=_do), asynq.Config(queues={"default": 1})) == []
    assert len(sandbox.run_all(_mux(mail=_do))) == 1


def test_strict_priority_holds(sandbox: Sandbox) -> None:
    for queue in ("low", "high"):
        sandbox.client.enqueue_many([asynq.Task("mail"), asynq.Task("mail")], queue=queue)

    attempts = sandbox.run_all(_mux(mail=_do), asynq.Config(queues={"low": 1, "high": 2}, strict_priority=True))

    assert [attempt.queue for attempt in attempts] == ["high", "high", "low", "low"]


def test_time_passes_from_due_task_to_due_task(sandbox: Sandbox) -> None:
    began = sandbox.clock.now()
    ran: list[tuple[str, timedelta]] = []

    def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        ran.append((task.type, sandbox.clock.now() - began))
        if task.type == "every hour" and len(ran) < 10:
            sandbox.client.enqueue(task, process_in=3600)

    sandbox.client.enqueue(asynq.Task("late"), process_at=began + timedelta(hours=5))
    sandbox.client.enqueue(asynq.Task("half past"), process_in=5400)
    sandbox.client.enqueue(asynq.Task("every hour"), process_in=3600)
    sandbox.run_for(handler, timedelta(hours=3))

    assert [(kind, after / timedelta(hours=1)) for kind, after in ran] == [
        ("every hour", 1),
        ("half past", 1.5),
        ("every hour", 2),
        ("every hour", 3),
    ]
    assert sandbox.clock.now() == began + timedelta(hours=3)


def test_an_instant_of_the_real_present_lies_where_it_should(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("mail"), process_at=datetime.now(UTC) + timedelta(hours=1))

    assert sandbox.run_all(_mux(mail=_do)) == []
    assert len(sandbox.run_for(_mux(mail=_do), timedelta(hours=1, minutes=1))) == 1


def test_a_live_server_runs_in_a_sandbox_and_sees_its_clock(sandbox: Sandbox) -> None:
    """A jump is to it what a sleep of the machine is: its lease is over then, and it begins anew."""
    ran: list[str] = []

    def have_run_in_time(*types: str) -> bool:
        sandbox.clock.advance(1)
        return ran == [*types]

    server = asynq.Server(asynq.RedisClientOpt(addr="redis.production:6379"), asynq.Config(concurrency=2))
    server.start(lambda ctx, task: ran.append(task.type))
    try:
        sandbox.client.enqueue(asynq.Task("now"))
        sandbox.client.enqueue(asynq.Task("in an hour"), process_in=3600)
        wait_until(lambda: ran == ["now"], "the first task")

        sandbox.clock.advance(3600)

        wait_until(lambda: have_run_in_time("now", "in an hour"), "the second task", 30)
    finally:
        server.shutdown()


# --- what goes wrong --------------------------------------------------------------------------------------------------------------


def test_on_request_the_error_of_a_handler_is_raised(sandbox: Sandbox) -> None:
    info = sandbox.client.enqueue(asynq.Task("mail"))

    with pytest.raises(ValueError, match="no such user"):
        sandbox.run_all(_mux(mail=_fail), reraise=True)

    assert sandbox.inspector.get_task_info("default", info.id).state is asynq.TaskState.RETRY


def test_a_test_that_fails_in_a_handler_fails(sandbox: Sandbox) -> None:
    info = sandbox.client.enqueue(asynq.Task("mail"))

    with pytest.raises(pytest.fail.Exception, match="not like this"):
        sandbox.run_all(lambda ctx, task: pytest.fail("not like this"))

    assert sandbox.inspector.get_task_info("default", info.id).state is asynq.TaskState.PENDING


def test_tasks_without_end_are_told(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("again"))

    with pytest.raises(AssertionError, match="does a task enqueue itself"):
        sandbox.run_all(lambda ctx, task: sandbox.client.enqueue(task), attempts_max=20)


def test_a_handler_cannot_run_tasks(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("mail"))

    (attempt,) = sandbox.run_all(lambda ctx, task: sandbox.run_all(_do))

    assert isinstance(attempt.error, asynq.ServerStateError)


def test_on_an_event_loop_tasks_are_run_aside(sandbox: Sandbox) -> None:
    async def test() -> int:
        sandbox.client.enqueue(asynq.Task("mail"))
        with pytest.raises(asynq.ServerStateError, match=r"asyncio\.to_thread"):
            sandbox.run_all(_do)
        return len(await asyncio.to_thread(sandbox.run_all, _do))

    assert asyncio.run(test()) == 1


def test_a_clock_may_begin_at_any_time() -> None:
    with Sandbox(VirtualClock()) as sandbox:
        assert sandbox.clock.now() == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
        task = sandbox.client.enqueue(asynq.Task("mail"), process_in=60)
        assert task.next_process_at == datetime(2025, 1, 2, 3, 5, 5, tzinfo=UTC)


def test_failures_are_logged_as_a_server_logs_them(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    sandbox.client.enqueue(asynq.Task("mail"))

    with caplog.at_level(logging.WARNING, "asynq_compat"):
        sandbox.run_all(_mux(mail=_fail))

    assert any("no such user" in record.getMessage() for record in caplog.records)


def test_any_stands_for_a_part_of_a_payload(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("mail", b'{"user": {"id": 7, "at": "now"}}'))

    sandbox.assert_enqueued("mail", payload={"user": {"id": 7, "at": ANY}})
    sandbox.assert_not_enqueued("mail", payload={"user": {"id": 8, "at": ANY}})


def test_that_none_was_enqueued_is_not_asked_by_a_count(sandbox: Sandbox) -> None:
    with pytest.raises(asynq.InvalidArgumentError, match="got 0; assert_not_enqueued says that none was"):
        sandbox.assert_enqueued("mail", count=0)
