"""Is a Redis with TLS reached, and is what cannot be trusted refused with its cause?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.services.certificates import Certificates
from tests.services.ports import free_ports
from tests.services.redis_secure import SecureRedis
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "made")


@pytest.fixture(scope="module")
def tls_redis(certificates: Certificates) -> Iterator[SecureRedis]:
    server = SecureRedis(certificates)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def asking_redis(certificates: Certificates) -> Iterator[SecureRedis]:
    """Asks for a certificate."""
    server = SecureRedis(certificates, asks_clients=True)
    yield server
    server.stop()


def enqueue(target: str | asynq.RedisClientOpt) -> None:
    with asynq.Client(target) as client:
        client.enqueue(asynq.Task("email"))


def refusal(opt: asynq.RedisClientOpt) -> str:
    with pytest.raises(asynq.BrokerUnavailableError) as caught:
        enqueue(opt)
    assert opt.addr in str(caught.value)
    assert not caught.value.may_have_happened
    return str(caught.value)


def test_an_authority_of_ones_own_is_named_in_code_or_url(certificates: Certificates, tls_redis: SecureRedis) -> None:
    enqueue(asynq.RedisClientOpt(tls_redis.tls_addr, tls_config=asynq.TLSConfig(ca_file=str(certificates.ca))))
    enqueue(f"rediss://{tls_redis.tls_addr}?tls_ca_file={certificates.ca}")


def test_a_server_and_an_inspector_speak_tls_too(certificates: Certificates, tls_redis: SecureRedis) -> None:
    opt = asynq.RedisClientOpt(tls_redis.tls_addr, db=1, tls_config=asynq.TLSConfig(ca_file=str(certificates.ca)))
    handled: list[str] = []
    server = asynq.Server(opt, asynq.Config(concurrency=1))
    server.start(lambda ctx, task: handled.append(task.type))
    enqueue(opt)
    with asynq.Inspector(opt) as inspector:
        wait_until(lambda: inspector.get_queue_info("default").processed == 1, "the task to be done", 60)
    server.shutdown()
    assert handled == ["email"]


def test_a_client_certificate_is_shown(certificates: Certificates, asking_redis: SecureRedis) -> None:
    ours = asynq.TLSConfig(
        ca_file=str(certificates.ca), cert_file=str(certificates.client), key_file=str(certificates.client_key)
    )
    enqueue(asynq.RedisClientOpt(asking_redis.tls_addr, tls_config=ours))

    without = refusal(
        asynq.RedisClientOpt(asking_redis.tls_addr, tls_config=asynq.TLSConfig(ca_file=str(certificates.ca)))
    )
    assert "certificate of ours" in without
    assert "cert_file" in without


@pytest.mark.parametrize("ca", ["other", ""], ids=["another authority", "the system's"])
def test_a_wrong_authority_is_refused(certificates: Certificates, tls_redis: SecureRedis, ca: str) -> None:
    ca_file = str(certificates.other_ca) if ca else ""

    said = refusal(asynq.RedisClientOpt(tls_redis.tls_addr, tls_config=asynq.TLSConfig(ca_file=ca_file)))

    assert "a certificate that is not trusted" in said
    assert "ca_file" in said


@pytest.mark.parametrize(
    ("name", "extension", "days", "words"),
    [
        ("expired", "subjectAltName=IP:127.0.0.1", -1, "expired"),
        ("elsewhere", "subjectAltName=DNS:elsewhere.example", 30, "server_name"),
    ],
)
def test_an_expired_or_foreign_certificate_is_refused(
    certificates: Certificates, name: str, extension: str, days: int, words: str
) -> None:
    server = SecureRedis(certificates, certificates.signed(name, extension, days))
    ca_file = str(certificates.ca)
    try:
        said = refusal(asynq.RedisClientOpt(server.tls_addr, tls_config=asynq.TLSConfig(ca_file=ca_file)))
        assert "not trusted" in said
        assert words in said
        if name == "elsewhere":
            named = asynq.TLSConfig(ca_file=ca_file, server_name="elsewhere.example")
            enqueue(asynq.RedisClientOpt(server.tls_addr, tls_config=named))
            enqueue(f"rediss://{server.tls_addr}?tls_ca_file={ca_file}&tls_server_name=elsewhere.example")
            unchecked = asynq.TLSConfig(ca_file=ca_file, check_hostname=False)
            enqueue(asynq.RedisClientOpt(server.tls_addr, tls_config=unchecked))
        enqueue(asynq.RedisClientOpt(server.tls_addr, tls_config=asynq.TLSConfig(insecure_skip_verify=True)))
    finally:
        server.stop()


def test_a_port_without_tls_and_one_with_are_told_apart(certificates: Certificates, tls_redis: SecureRedis) -> None:
    config = asynq.TLSConfig(ca_file=str(certificates.ca))

    with_tls = refusal(asynq.RedisClientOpt(tls_redis.addr, tls_config=config, dial_timeout=1))
    without = refusal(asynq.RedisClientOpt(tls_redis.tls_addr, dial_timeout=1))

    assert "redis://" in with_tls
    assert "TLS" in without


def test_nobody_there_is_told_as_without_tls(certificates: Certificates) -> None:
    addr = f"127.0.0.1:{free_ports(1)[0]}"

    said = refusal(asynq.RedisClientOpt(addr, tls_config=asynq.TLSConfig(ca_file=str(certificates.ca))))

    assert "connection refused" in said


def test_a_certificate_that_is_none_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    with pytest.raises(asynq.InvalidArgumentError, match="cannot be loaded"):
        asynq.Client(asynq.RedisClientOpt("h:1", tls_config=asynq.TLSConfig(ca_file=str(tmp_path / "ca.pem"))))
