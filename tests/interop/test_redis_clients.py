"""Is a client of redis-py as good as an option object, and does it stay its owner's?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

import asynq_compat as asynq
from asynq_compat.connect import redis_client_opt, redis_settings
from asynq_compat.targets import RedisClientOpt
from tests.services.certificates import Certificates
from tests.services.redis import RedisServer
from tests.services.redis_secure import SecureRedis
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis


@pytest.fixture
def shared(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def test_a_client_a_server_and_an_inspector_share_it(shared: redis.Redis) -> None:
    handled: list[str] = []
    client = asynq.new_client_from_redis_client(shared)
    inspector = asynq.new_inspector_from_redis_client(shared)
    server = asynq.new_server_from_redis_client(shared, asynq.Config(concurrency=1))
    server.start(lambda ctx, task: handled.append(task.type))
    client.enqueue(asynq.Task("email"))
    wait_until(lambda: inspector.get_queue_info("default").processed == 1, "the task to be done", 60)
    server.shutdown()

    assert handled == ["email"]
    for held, name in ((client, "Client"), (inspector, "Inspector")):
        with pytest.raises(asynq.ServerStateError) as caught:
            held.close()
        assert str(caught.value) == f"redis connection is shared so the {name} can't be closed through asynq"
    client.enqueue(asynq.Task("email"))  # It was not closed.
    assert shared.llen("asynq:{default}:pending") == 1


def test_with_lets_go_of_what_is_not_the_owners(shared: redis.Redis) -> None:
    with asynq.Client.from_redis_client(shared) as client, asynq.Inspector.from_redis_client(shared) as inspector:
        client.enqueue(asynq.Task("email"))
        assert inspector.get_queue_info("default").pending == 1

    with pytest.raises(asynq.ServerStateError, match="the client is closed"):
        client.enqueue(asynq.Task("email"))
    assert shared.ping()


def test_coroutines_share_it_too(shared: redis.Redis) -> None:
    async def program() -> None:
        async with asynq.AsyncClient.from_redis_client(shared) as client:
            await client.enqueue(asynq.Task("email"))

    asyncio.run(program())

    assert shared.llen("asynq:{default}:pending") == 1


def test_the_environment_wins_over_it_too(shared: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", f"sqlite:///{tmp_path}/queue.db")
    client = asynq.Client.from_redis_client(shared)
    client.enqueue(asynq.Task("email"))
    client.close()  # Nothing is shared then.

    assert shared.llen("asynq:{default}:pending") == 0


def test_its_settings_are_used() -> None:
    given = redis.Redis(
        "h", 7, db=3, username="u", password="pw", socket_timeout=1.5, socket_connect_timeout=2, max_connections=9
    )

    assert redis_client_opt(given) == RedisClientOpt("h:7", "u", "pw", 3, 2, 1.5, network="tcp")
    settings = redis_settings(RedisClientOpt("h:7", read_timeout=-1.0))
    endless = redis_client_opt(redis.Redis("h", 7, socket_timeout=None, socket_connect_timeout=5))
    assert isinstance(endless, RedisClientOpt)
    assert redis_settings(endless) == settings
    assert redis_client_opt(redis.Redis(unix_socket_path="/run/r.sock", db=1)) == RedisClientOpt(
        "/run/r.sock", db=1, dial_timeout=5, read_timeout=5, network="unix"
    )
    assert redis_client_opt(redis.Redis.from_url("redis://[::1]:8/2")) == RedisClientOpt(
        "[::1]:8", db=2, dial_timeout=5, read_timeout=5, network="tcp"
    )


def test_its_tls_is_used(tmp_path: Path) -> None:
    made = Certificates(tmp_path / "tls")
    server = SecureRedis(made, asks_clients=True)
    try:
        trusting = redis.Redis(
            port=server.tls_port,
            host="127.0.0.1",
            ssl=True,
            ssl_ca_certs=str(made.ca),
            ssl_certfile=str(made.client),
            ssl_keyfile=str(made.client_key),
        )
        with asynq.Client.from_redis_client(trusting) as client:
            client.enqueue(asynq.Task("email"))
        assert trusting.llen("asynq:{default}:pending") == 1
        trusting.close()
        suspicious = redis.Redis(port=server.tls_port, host="127.0.0.1", ssl=True)
        with (
            asynq.Client.from_redis_client(suspicious) as client,
            pytest.raises(asynq.BrokerUnavailableError, match="not trusted"),
        ):
            client.ping()
    finally:
        server.stop()


def test_its_owner_may_have_a_password(tmp_path: Path) -> None:
    server = RedisServer("--requirepass", "pw", "--unixsocket", str(tmp_path / "r.sock"))
    try:
        for given in (
            redis.Redis(port=server.port, password="pw"),
            redis.Redis(unix_socket_path=str(tmp_path / "r.sock"), password="pw"),
        ):
            with asynq.Client.from_redis_client(given) as client:
                client.ping()
            given.close()
    finally:
        server.stop()


def of_replicas() -> object:
    return redis.Sentinel([("h", 1)]).replica_for("m")  # type: ignore[no-untyped-call]  # redis-py's is not annotated


def of_no_sentinel() -> object:
    return redis.Sentinel([]).master_for("m")  # type: ignore[no-untyped-call]  # as above


class _Tokens(redis.CredentialProvider):
    def get_credentials(self) -> tuple[str, str]:
        return "u", "pw"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("redis://h", "a redis client must be a redis.Redis, redis.RedisCluster or a Sentinel's master_for, got str"),
        (redis.asyncio.Redis(), "a redis client must be"),
        (redis.Redis(credential_provider=_Tokens()), "credential_provider"),
        (of_replicas(), "of replicas cannot carry tasks"),
        (of_no_sentinel(), "at least one sentinel"),
        (redis.Redis(ssl=True, ssl_ciphers="nope"), "ssl_ciphers 'nope'"),
    ],
    ids=["URL", "asyncio", "tokens", "replica", "no sentinel", "no cipher"],
)
def test_what_cannot_be_shared_is_refused(given: object, text: str) -> None:
    for make in (asynq.Client.from_redis_client, asynq.Inspector.from_redis_client, asynq.Server.from_redis_client):
        with pytest.raises(asynq.InvalidArgumentError, match=text):
            make(given)
