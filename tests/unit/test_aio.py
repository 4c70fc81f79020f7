"""Does the asyncio client do what the plain one does, without blocking its loop?"""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import pytest

import asynq_compat as asynq
from asynq_compat import errors
from asynq_compat.connect import VARIABLE, open_broker
from asynq_compat.ports.broker import Broker

TASK = asynq.Task("email", b"{}")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv(VARIABLE, raising=False)
    return f"memory://{uuid.uuid4()}"


def test_a_thousand_coroutines_enqueue_at_once(url: str) -> None:
    async def program() -> list[asynq.TaskInfo]:
        async with asynq.AsyncClient(url) as client:
            await client.ping()
            return list(await asyncio.gather(*(client.enqueue(TASK, queue="low") for _ in range(1_000))))

    infos = asyncio.run(program())

    with asynq.Inspector(url) as inspector:
        stored = inspector.list_pending_tasks("low", page_size=0)
    assert {info.id for info in infos} == {task.id for task in stored}
    assert len(stored) == 1_000


def test_refusals_are_raised_and_stand_in_their_place_in_a_batch(url: str) -> None:
    async def program() -> None:
        async with asynq.AsyncClient(url) as client:
            await client.enqueue(TASK, unique=60)
            with pytest.raises(asynq.DuplicateTaskError):
                await client.enqueue(TASK, unique=60)
            with pytest.raises(errors.InvalidArgumentError, match="did you mean queue"):
                await client.enqueue(TASK, qeue="low")  # type: ignore[call-arg]  # the mistake under test
            results = await client.enqueue_many([TASK, (TASK, asynq.Unique(60)), asynq.Task(" ")])
            assert [type(result) for result in results] == [
                asynq.TaskInfo,
                asynq.DuplicateTaskError,
                errors.InvalidArgumentError,
            ]
            assert await client.enqueue_many([]) == []

    asyncio.run(program())


def test_what_stands_for_no_broker_is_refused_at_once(url: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="unsupported uri scheme"):
        asynq.AsyncClient("amqp://h")


def test_a_closed_client_says_so_and_closing_twice_is_legal(url: str) -> None:
    async def program() -> None:
        client = asynq.AsyncClient(url)
        await client.enqueue(TASK)
        await client.aclose()
        await client.aclose()
        with pytest.raises(errors.ServerStateError, match="the client is closed; make another AsyncClient"):
            await client.enqueue(TASK)
        await asynq.AsyncClient(url).aclose()  # never opened

    asyncio.run(program())


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("is_handed_in", [True, False])
@pytest.mark.parametrize("call", ["enqueue", "enqueue_many", "ping"])
def test_a_call_that_meets_the_closing_is_carried_out_or_says_that_the_client_is_closed(
    url: str, call: str, is_handed_in: bool, steps: int
) -> None:
    async def program(target: str | Broker) -> object:
        client = asynq.AsyncClient(target)
        calls = {
            "enqueue": lambda: client.enqueue(TASK),
            "enqueue_many": lambda: client.enqueue_many([TASK]),
            "ping": client.ping,
        }
        calling = asyncio.ensure_future(calls[call]())
        for _ in range(steps):
            await asyncio.sleep(0)
        await client.aclose()
        (outcome,) = await asyncio.gather(calling, return_exceptions=True)
        return outcome

    with contextlib.closing(open_broker(url)) as broker:
        outcome = asyncio.run(program(broker if is_handed_in else url))
        stored = broker.inspecting.queues()

    if isinstance(outcome, BaseException):
        assert isinstance(outcome, errors.ServerStateError)
        assert str(outcome) == "the client is closed; make another AsyncClient"
    assert list(stored) == ([] if call == "ping" or isinstance(outcome, BaseException) else ["default"])


def test_closing_waits_for_what_is_being_sent(url: str) -> None:
    async def program() -> asynq.TaskInfo:
        client = asynq.AsyncClient(url)
        await client.ping()
        call = asyncio.ensure_future(client.enqueue(TASK))
        await asyncio.sleep(0)
        await client.aclose()
        return await call

    info = asyncio.run(program())

    with asynq.Inspector(url) as inspector:
        assert inspector.get_task_info("default", info.id).state is asynq.TaskState.PENDING


def test_a_broker_that_was_passed_in_stays_open(url: str) -> None:
    broker = open_broker(url)

    async def program() -> None:
        async with asynq.AsyncClient(broker) as client:
            await client.enqueue(TASK)

    asyncio.run(program())

    assert broker.inspecting.queues() == ["default"]
    broker.close()
