"""Does what a program under test opens lead to the sandbox of the test that runs?"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

import asynq_compat as asynq
from asynq_compat.testing import Sandbox, routing
from tests.services.waiting import wait_until


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def _do(ctx: asynq.Context, task: asynq.Task) -> None:
    """Do nothing, successfully."""


def test_a_program_that_names_redis_is_tested_unchanged(sandbox: Sandbox) -> None:
    with asynq.Client(asynq.RedisClientOpt(addr="redis.production:6379")) as client:
        client.enqueue(asynq.Task("mail"))
    with asynq.Inspector("redis://redis.production:6379") as inspector:
        assert [task.type for task in inspector.list_pending_tasks("default")] == ["mail"]

    sandbox.assert_enqueued("mail", count=1)


def test_a_coroutine_that_enqueues_is_tested_unchanged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        async with asynq.AsyncClient() as client:
            await client.enqueue(asynq.Task("mail"), process_in=60)

    asyncio.run(program())

    sandbox.assert_enqueued("mail", process_in=60)
    assert not caplog.records, "nobody is warned of a default file that is not used"


def test_a_client_outlives_the_sandbox_it_was_made_in() -> None:
    with Sandbox():
        client = asynq.Client()
        client.enqueue(asynq.Task("first"))

    with Sandbox() as second:
        client.enqueue(asynq.Task("second"))
        assert [task.type for task in second.enqueued()] == ["second"]
    with pytest.raises(asynq.ServerStateError, match="outside a sandbox"):
        client.enqueue(asynq.Task("third"))


def test_with_routing_from_the_start_a_client_may_come_before_the_sandbox() -> None:
    routing.route_always()
    try:
        client = asynq.Client(asynq.RedisClientOpt(addr="redis.production:6379"))
        with pytest.raises(asynq.ServerStateError, match="outside a sandbox"):
            client.enqueue(asynq.Task("mail"))
        with Sandbox() as sandbox:
            client.enqueue(asynq.Task("mail"), process_in=60)
            sandbox.assert_enqueued("mail", process_in=60)
    finally:
        routing.route_no_longer()


def test_behind_the_last_sandbox_programs_get_what_they_ask_for() -> None:
    with Sandbox():
        pass

    with pytest.raises(asynq.BrokerUnavailableError), asynq.Client("redis://127.0.0.1:1") as client:
        client.ping()


def test_what_stands_for_no_broker_is_refused_in_a_sandbox_too(sandbox: Sandbox) -> None:
    del sandbox
    with pytest.raises(asynq.InvalidArgumentError, match="got int"):
        asynq.Client(6379)  # type: ignore[arg-type]


def test_an_open_broker_stays_what_it_is(sandbox: Sandbox) -> None:
    with Sandbox() as inner, asynq.Client(sandbox.broker) as client:
        client.enqueue(asynq.Task("mail"))

        inner.assert_not_enqueued()
        sandbox.assert_enqueued("mail")


def test_two_sandboxes_share_nothing() -> None:
    with Sandbox() as first:
        first.client.enqueue(asynq.Task("mail"), task_id="one")
    with Sandbox() as second:
        second.client.enqueue(asynq.Task("mail"), task_id="one")

        assert len(second.run_all(_do)) == 1


def test_a_sandbox_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with Sandbox() as sandbox:
        sandbox.client.enqueue(asynq.Task("mail"), unique=60)
        sandbox.run_all(_do)

    wait_until(lambda: threading.active_count() <= before, "the end of the sandbox's threads")
