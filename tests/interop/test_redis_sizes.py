"""What is a user told of a value that is too large for Redis?

A Redis that takes a megabyte stands for one that takes 512.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import asynq_compat as asynq
from asynq_compat.brokers.redis import producing, sizes
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis

MB = 1024 * 1024
LARGE = b"x" * (MB + 1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    server = RedisServer(
        "--proto-max-bulk-len", "1mb", "--user", "blind", "on", "nopass", "~*", "&*", "+@all", "-config"
    )
    for module in (sizes, producing):
        monkeypatch.setattr(module, "VALUE_BYTES_MAX", MB)
    yield server
    server.stop()


@pytest.mark.parametrize("user", ["default", "blind"], ids=["may-ask", "may-not-ask"])
def test_a_task_that_is_too_large_is_refused_and_named_and_those_beside_it_are_stored(
    server: RedisServer, user: str
) -> None:
    target = asynq.RedisClientOpt(addr=server.addr, username=user, password="any" if user == "blind" else "")
    with asynq.Client(target) as client, asynq.Inspector(target) as inspector:
        with pytest.raises(asynq.PayloadTooLargeError, match=r"takes up to 1048576 \(proto-max-bulk-len\)") as caught:
            client.enqueue(asynq.Task("t", LARGE))
        before, large, after = client.enqueue_many([asynq.Task("t"), asynq.Task("t", LARGE), asynq.Task("t")])
        stored = {task.id for task in inspector.list_pending_tasks("default")}
        waiting = client.enqueue(asynq.Task("t"), process_in=3_600)
        with pytest.raises(asynq.PayloadTooLargeError):
            inspector.update_task_payload("default", waiting.id, LARGE)

    assert caught.value.size_bytes > caught.value.size_bytes_max == MB
    assert isinstance(large, asynq.PayloadTooLargeError)
    assert {one.id for one in (before, after) if isinstance(one, asynq.TaskInfo)} == stored
    assert len(stored) == 2


def test_what_a_redis_takes_by_its_setting_is_taken(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sizes, producing):
        monkeypatch.setattr(module, "VALUE_BYTES_MAX", MB // 2)
    with asynq.Client(server.url) as client:
        assert client.enqueue(asynq.Task("t", LARGE[: MB // 4 * 3])).payload == LARGE[: MB // 4 * 3]


def test_a_periodic_task_and_a_result_that_are_too_large_are_named(server: RedisServer) -> None:
    told: list[Exception | None] = []
    opts = asynq.SchedulerOpts(elect=True, post_enqueue_func=lambda info, err: told.append(err))
    with asynq.Scheduler(server.url, opts) as scheduler:
        scheduler.register("@every 1s", asynq.Task("t", LARGE))
        wait_until(lambda: told, "a firing", 60)

    failures: list[BaseException] = []

    def write(ctx: asynq.Context, task: asynq.Task) -> None:
        try:
            assert task.result_writer is not None
            task.result_writer.write(LARGE)
        except asynq.AsynqError as failure:
            failures.append(failure)

    running = asynq.Server(server.url, asynq.Config(concurrency=1))
    running.start(write)
    with asynq.Client(server.url) as client:
        client.enqueue(asynq.Task("t"), retention=60)
    wait_until(lambda: failures, "the result", 60)
    running.shutdown()

    for error in (told[0], failures[0]):
        assert isinstance(error, asynq.PayloadTooLargeError)
    assert str(failures[0]).startswith("the result is 1048577 bytes")
