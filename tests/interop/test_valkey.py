"""Does a program run on Valkey as it does on Redis?"""

from __future__ import annotations

import re

import pytest
import redis

import asynq_compat as asynq
from tests.interop.test_redis_rights import PAGE
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis


@pytest.fixture
def raw(valkey_server: RedisServer) -> redis.Redis:
    connection = redis.Redis(port=valkey_server.port)
    connection.flushall()
    return connection


def test_it_is_valkey(raw: redis.Redis) -> None:
    assert raw.info("server")["server_name"] == "valkey"


def test_a_server_works(valkey_server: RedisServer, raw: redis.Redis) -> None:
    handled: list[str] = []
    server = asynq.Server(valkey_server.url, asynq.Config(concurrency=4))

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        handled.append(task.type)
        if task.type == "fails":
            raise asynq.SkipRetry

    server.start(handle)
    with asynq.Client(valkey_server.url) as client, asynq.Inspector(valkey_server.url) as inspector:
        client.enqueue(asynq.Task("now"), retention=3600, task_id="kept")
        client.enqueue(asynq.Task("later"), process_in=1, unique=60)
        client.enqueue(asynq.Task("fails"))
        wait_until(lambda: inspector.get_queue_info("default").processed == 3, "all three to be handled", 60)
        info = inspector.get_queue_info("default")
        assert (info.completed, info.archived, info.failed) == (1, 1, 1)
        assert info.memory_usage > 0
    server.shutdown()
    assert sorted(handled) == ["fails", "later", "now"]


@pytest.mark.parametrize("role", ["producer", "worker", "scheduler", "inspector"])
def test_the_rights_of_each_role_can_be_given(raw: redis.Redis, role: str) -> None:
    (line,) = re.findall(rf"^    ACL (SETUSER {role} on .*)$", PAGE.read_text(), re.MULTILINE)

    assert raw.execute_command("ACL", *line.split(), "+client|setinfo") == b"OK"  # type: ignore[no-untyped-call]  # redis-py's is not annotated


def test_a_right_that_a_script_lacks_is_named(valkey_server: RedisServer, raw: redis.Redis) -> None:
    raw.execute_command("ACL", "SETUSER", "u", "on", ">pw", "~asynq:*", "+@all", "-lpush")  # type: ignore[no-untyped-call]  # redis-py's is not annotated

    opt = asynq.RedisClientOpt(valkey_server.addr, username="u", password="pw")
    with (
        asynq.Client(opt) as client,
        pytest.raises(asynq.BrokerUnavailableError, match=r"does not allow this user .*lpush"),
    ):
        client.enqueue(asynq.Task("t"))
