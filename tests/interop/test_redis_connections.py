"""Over which connections does the Redis broker work?"""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

import asynq_compat as asynq
from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.ports.consuming import QueueOrder
from asynq_compat.ports.producing import EnqueueStatus
from tests.interop.redis_tools import broker_at, listening, request
from tests.services.certificates import Certificates
from tests.services.redis import RedisServer
from tests.services.redis_secure import SecureRedis

pytestmark = pytest.mark.redis


def passes_a_task(settings: RedisSettings) -> bool:
    with broker_at(settings) as broker:
        intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
        assert intake.take(0.05) == ()  # The peek is armed over this connection too.
        assert broker.producing.enqueue([request("one")]) == [EnqueueStatus.ENQUEUED]
        taken = intake.take(5)
        intake.close()
    return [lease.task_id for lease in taken] == ["one"]


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    server = RedisServer("--unixsocket", str(path))
    try:
        assert passes_a_task(RedisSettings(network="unix", addr=str(path)))
    finally:
        server.stop()


def test_a_unix_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none.sock")

    with broker_at(RedisSettings(network="unix", addr=path)) as broker, pytest.raises(BrokerUnavailableError) as caught:
        broker.ping()

    assert path in str(caught.value)
    assert "no such file" in str(caught.value)


def test_a_socket_of_a_url(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    server = RedisServer("--unixsocket", str(path), "--requirepass", "pw")
    try:
        with asynq.Client(f"redis-socket://:pw@{path}?db=2") as client:
            client.enqueue(asynq.Task("email"))
        with asynq.Inspector(asynq.RedisClientOpt(str(path), password="pw", db=2)) as inspector:
            assert inspector.get_queue_info("default").pending == 1
    finally:
        server.stop()


def test_tls_with_a_context_of_the_users(tmp_path: Path) -> None:
    made = Certificates(tmp_path / "tls")
    server = SecureRedis(made)
    try:
        trusting = ssl.create_default_context(cafile=str(made.ca))
        assert passes_a_task(RedisSettings(addr=server.tls_addr, tls=trusting))
        strangers = RedisSettings(addr=server.tls_addr, tls=True)
        with broker_at(strangers) as broker, pytest.raises(BrokerUnavailableError, match="certificate"):
            broker.ping()
    finally:
        server.stop()


def test_sending_may_take_its_own_time(redis_url: str) -> None:
    """A peer that reads nothing: what does not fit into the sockets' buffers is not sent."""

    def serve(connection: socket.socket) -> None:
        for _ in range(2):  # CLIENT SETINFO, twice.
            connection.recv(65536)
            connection.sendall(b"+OK\r\n")
        done.wait(20)

    done = threading.Event()
    with listening(serve) as addr:
        settings = RedisSettings(addr=addr, read_timeout_s=None, write_timeout_s=0.2, dial_timeout_s=30)
        with broker_at(settings) as broker, pytest.raises(BrokerUnavailableError, match=r"0\.2 s") as caught:
            broker.inspecting.task("default", "x" * 20_000_000)
        done.set()
        assert caught.value.may_have_happened
    address, _, db = redis_url.removeprefix("redis://").partition("/")
    assert passes_a_task(RedisSettings(addr=address, db=int(db), write_timeout_s=1.0))
