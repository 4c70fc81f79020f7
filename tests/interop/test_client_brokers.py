"""Does the same client code work on every broker, and is a broker that cannot be used named with its cause and without its password?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import asynq_compat as asynq
from asynq_compat.connect import VARIABLE
from tests.services.ports import free_ports
from tests.services.redis import RedisServer

BrokerOpt = asynq.RedisClientOpt | asynq.RedpandaOpt | asynq.EmbeddedOpt
TASK = asynq.Task("email", b"{}", headers={"trace": "a1"})
# An outage is told within the timeouts given below and what the machine adds when it is busy.
TOLD_WITHIN_S = 15.0


def test_the_same_code_works_on_every_broker(url: str) -> None:
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        client.ping()
        now = client.enqueue(TASK, queue="low", retention=60)
        later = client.enqueue(TASK, asynq.Queue("low"), asynq.ProcessIn(60), asynq.TaskID("later"), asynq.Unique(60))
        with pytest.raises(asynq.DuplicateTaskError):
            client.enqueue(TASK, queue="low", unique=60)
        with pytest.raises(asynq.TaskIDConflictError):
            client.enqueue(TASK, queue="low", task_id="later")
        many = client.enqueue_many([TASK] * 50, queue="bulk")

        assert all(isinstance(one, asynq.TaskInfo) for one in many)
        assert inspector.queues() == ["bulk", "low"]
        assert inspector.get_queue_info("bulk").pending == 50
        stored = inspector.get_task_info("low", now.id)
        assert (stored.type, stored.payload, stored.headers, stored.retention) == (
            "email", b"{}", {"trace": "a1"}, now.retention,
        )  # fmt: skip
        assert [task.id for task in inspector.list_scheduled_tasks("low")] == [later.id]
        assert [task.id for task in inspector.list_pending_tasks("bulk")] == [
            task.id for task in many[:30] if isinstance(task, asynq.TaskInfo)
        ]


def test_a_thousand_coroutines_on_every_broker(url: str) -> None:
    async def program() -> set[str]:
        async with asynq.AsyncClient(url) as client:
            return {info.id for info in await asyncio.gather(*(client.enqueue(TASK) for _ in range(1_000)))}

    ids = asyncio.run(program())

    with asynq.Inspector(url) as inspector:
        assert {task.id for task in inspector.list_pending_tasks("default", page_size=0)} == ids


def test_the_environment_moves_a_program_to_another_broker(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, url)

    with asynq.Client(asynq.RedisClientOpt("nowhere.invalid:1")) as client:
        info = client.enqueue(TASK)

    with asynq.Inspector() as inspector:
        assert inspector.get_task_info("default", info.id).state is asynq.TaskState.PENDING


def no_redis() -> Iterator[tuple[asynq.RedisClientOpt, str]]:
    (port,) = free_ports(1)
    yield (
        asynq.RedisClientOpt(f"127.0.0.1:{port}", password="s3cret", dial_timeout=1, read_timeout=1),
        f"127.0.0.1:{port}",
    )


def no_kafka() -> Iterator[tuple[asynq.RedpandaOpt, str]]:
    (port,) = free_ports(1)
    yield asynq.RedpandaOpt(f"127.0.0.1:{port}", request_timeout=1), f"127.0.0.1:{port}"


def wrong_password() -> Iterator[tuple[asynq.RedisClientOpt, str]]:
    server = RedisServer("--requirepass", "right")
    try:
        yield asynq.RedisClientOpt(server.addr, password="s3cret"), server.addr
    finally:
        server.stop()


@pytest.mark.parametrize("broken", [no_redis, no_kafka, pytest.param(wrong_password, marks=pytest.mark.redis)])
def test_a_broker_that_does_not_let_us_in_is_named_in_time_and_without_the_password(
    broken: Callable[[], Iterator[tuple[BrokerOpt, str]]],
) -> None:
    for opt, address in broken():
        for call in (enqueue_one, enqueue_many, enqueue_async, inspect):
            started_at = time.monotonic()
            with pytest.raises(asynq.BrokerUnavailableError) as caught:
                call(opt)

            assert address in str(caught.value)
            assert "s3cret" not in str(caught.value)
            assert time.monotonic() - started_at < TOLD_WITHIN_S


@pytest.mark.redis
@pytest.mark.parametrize(
    ("scheme", "db", "said"),
    [("redis", 99, "has no database of that number"), ("rediss", 0, "did not answer TLS within 5 s")],
)
def test_a_redis_that_is_addressed_wrongly_says_how(redis_server: RedisServer, scheme: str, db: int, said: str) -> None:
    with (
        asynq.Client(f"{scheme}://{redis_server.addr}/{db}") as client,
        pytest.raises(asynq.BrokerUnavailableError) as caught,
    ):
        client.enqueue(TASK)

    assert said in str(caught.value)
    assert not caught.value.may_have_happened


def test_a_redis_that_is_not_there_shows_the_direct_cause_alone() -> None:
    (port,) = free_ports(1)

    with pytest.raises(asynq.BrokerUnavailableError) as caught:
        enqueue_one(asynq.RedisClientOpt(f"127.0.0.1:{port}"))

    cause = caught.value.__cause__
    assert isinstance(cause, ConnectionRefusedError)
    assert (cause.__cause__, cause.__context__) == (None, None)


@pytest.mark.parametrize("content", [b"not a database at all" * 50, b"SQLite format 3\x00" + b"\x01" * 500])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    with pytest.raises(asynq.AsynqError, match=r"notes\.txt"):
        enqueue_one(asynq.EmbeddedOpt(str(path)))

    assert path.read_bytes() == content


def enqueue_one(opt: BrokerOpt) -> None:
    with asynq.Client(opt) as client:
        client.enqueue(TASK)


def enqueue_many(opt: BrokerOpt) -> None:
    with asynq.Client(opt) as client:
        for result in client.enqueue_many([TASK, TASK]):
            assert isinstance(result, asynq.AsynqError)
            raise result


def enqueue_async(opt: BrokerOpt) -> None:
    async def program() -> None:
        async with asynq.AsyncClient(opt) as client:
            await client.enqueue(TASK)

    asyncio.run(program())


def inspect(opt: BrokerOpt) -> None:
    with asynq.Inspector(opt) as inspector:
        inspector.queues()
