"""Over which connections does the Redis broker work?"""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.ports.consuming import QueueOrder
from asynq_compat.ports.producing import EnqueueStatus
from tests.interop.redis_tools import broker_at, request
from tests.services.ports import free_ports
from tests.services.redis import RedisServer

pytestmark = pytest.mark.redis


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate for localhost; returns it and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing; install it to test TLS")
    made, key = folder / "redis.crt", folder / "redis.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            *subject,
            "-keyout",
            key,
            "-out",
            made,
        ],
        check=True,
        capture_output=True,
    )
    return made, key


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


def test_tls_with_a_context_of_the_users(tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    (port,) = free_ports(1)
    files = ["--tls-cert-file", str(made), "--tls-key-file", str(key), "--tls-ca-cert-file", str(made)]
    server = RedisServer("--tls-port", str(port), "--tls-auth-clients", "no", *files)
    try:
        trusting = ssl.create_default_context(cafile=str(made))
        assert passes_a_task(RedisSettings(addr=f"localhost:{port}", tls=trusting))
        strangers = RedisSettings(addr=f"localhost:{port}", tls=True)
        with broker_at(strangers) as broker, pytest.raises(BrokerUnavailableError, match="certificate"):
            broker.ping()
    finally:
        server.stop()
