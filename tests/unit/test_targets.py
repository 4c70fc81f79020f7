"""Are connection URLs read as Go reads them, and is what makes no sense refused without telling the password?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from asynq_compat import errors
from asynq_compat.targets import (
    EmbeddedOpt,
    MemoryOpt,
    RedisClientOpt,
    RedisClusterClientOpt,
    RedisFailoverClientOpt,
    RedpandaOpt,
    Target,
    TLSConfig,
    parse_redis_uri,
    parse_url,
)

REDIS_URIS: list[tuple[str, Target]] = [
    ("redis://localhost:6379", RedisClientOpt("localhost:6379")),
    ("redis://localhost", RedisClientOpt("localhost")),
    ("redis://", RedisClientOpt("")),
    ("redis:6379", RedisClientOpt("")),
    ("REDIS://Host:1", RedisClientOpt("Host:1")),
    ("redis://localhost:6379/3", RedisClientOpt("localhost:6379", db=3)),
    ("redis://localhost:6379//3/4/", RedisClientOpt("localhost:6379", db=3)),
    ("redis://localhost:6379/-1?x=y#z", RedisClientOpt("localhost:6379", db=-1)),
    ("redis://:pw@h:1", RedisClientOpt("h:1", password="pw")),
    ("redis://user:p%40w@h:1/2", RedisClientOpt("h:1", password="p@w", db=2)),
    ("redis://user@h:1", RedisClientOpt("h:1")),
    ("redis://user:a:b@h:1", RedisClientOpt("h:1", password="a:b")),
    ("redis://[::1]:6379/1", RedisClientOpt("[::1]:6379", db=1)),
    ("rediss://h.example:6380", RedisClientOpt("h.example:6380", tls_config=TLSConfig(server_name="h.example"))),
    ("rediss://h.example", RedisClientOpt("h.example", tls_config=TLSConfig(server_name="h.example"))),
    ("rediss://[::1]:6380", RedisClientOpt("[::1]:6380", tls_config=TLSConfig(server_name="::1"))),
    ("redis-socket:///run/redis.sock", RedisClientOpt("/run/redis.sock", network="unix")),
    ("redis-socket://:pw@/run/r.sock?db=3", RedisClientOpt("/run/r.sock", network="unix", password="pw", db=3)),
    ("redis-socket:///run/r.sock?db=", RedisClientOpt("/run/r.sock", network="unix")),
    (
        "redis-sentinel://:pw@h1:5000,h2:5001,h3:5002/9?master=main",
        RedisFailoverClientOpt(
            master_name="main", sentinel_addrs=("h1:5000", "h2:5001", "h3:5002"), sentinel_password="pw"
        ),
    ),
    ("redis-sentinel://h1:5000", RedisFailoverClientOpt(master_name="", sentinel_addrs=("h1:5000",))),
]


@pytest.mark.parametrize(("uri", "target"), REDIS_URIS, ids=[uri for uri, _ in REDIS_URIS])
def test_a_redis_uri_means_what_it_means_in_go(uri: str, target: Target) -> None:
    assert parse_redis_uri(uri) == target
    assert parse_redis_uri(uri) == (parse_url(uri) if "://" in uri and "?x=y" not in uri else target)


_CA = TLSConfig(ca_file="ca.pem")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (
            "redis://ignored:pw@h:1/2?username=worker&dial_timeout=1.5&read_timeout=-1&write_timeout=2&pool_size=7",
            RedisClientOpt("h:1", "worker", "pw", 2, 1.5, -1.0, 2.0, 7),
        ),
        (
            "rediss://h.example:1?tls_ca_file=ca.pem",
            RedisClientOpt("h.example:1", tls_config=TLSConfig(server_name="h.example", ca_file="ca.pem")),
        ),
        (
            "rediss://h:1?tls_cert_file=c&tls_key_file=k&tls_server_name=n&tls_check_hostname=false",
            RedisClientOpt(
                "h:1", tls_config=TLSConfig(server_name="n", cert_file="c", key_file="k", check_hostname=False)
            ),
        ),
        (
            "rediss://h:1?tls_insecure_skip_verify=true",
            RedisClientOpt("h:1", tls_config=TLSConfig(server_name="h", insecure_skip_verify=True)),
        ),
        ("redis-socket:///r.sock?db=2&username=u", RedisClientOpt("/r.sock", "u", db=2, network="unix")),
        (
            "redis-sentinel://:spw@h1:1,h2:2?master=m&db=3&username=u&password=pw&sentinel_username=su&tls_ca_file=ca.pem",
            RedisFailoverClientOpt(
                master_name="m",
                sentinel_addrs=("h1:1", "h2:2"),
                sentinel_username="su",
                sentinel_password="spw",
                username="u",
                password="pw",
                db=3,
                tls_config=_CA,
            ),
        ),
        (
            "redis-cluster://:pw@h1:1,h2:2?username=u&max_redirects=8&tls_ca_file=ca.pem",
            RedisClusterClientOpt(addrs=("h1:1", "h2:2"), username="u", password="pw", max_redirects=8, tls_config=_CA),
        ),
        ("redis-cluster://h?tls=true", RedisClusterClientOpt(addrs=("h",), tls_config=TLSConfig())),
        ("redis-cluster://h?tls=false", RedisClusterClientOpt(addrs=("h",))),
    ],
)
def test_a_broker_s_url_has_parameters_beyond_go_s(url: str, target: Target) -> None:
    assert parse_url(url) == target


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://h?pol_size=3", "unknown parameter 'pol_size' of a redis:// URL; did you mean pool_size=?"),
        ("redis://h?tls_ca_file=ca.pem", "unknown parameter 'tls_ca_file' of a redis:// URL"),
        ("redis://h?db=1", "db is no parameter of a redis:// URL; write redis://host:6379/1"),
        ("redis://h?password=secret", "password is no parameter of a redis:// URL; write redis://:password@host:6379"),
        ("redis://h?read_timeout=soon", "read_timeout must be a number of seconds above 0, or -1 for no limit, got"),
        ("redis://h?pool_size=many", "pool_size must be an integer, got 'many'"),
        ("redis-sentinel://h?maste=m", "did you mean master=?"),
        ("redis-cluster://", "a redis-cluster:// URL needs a node, got none; write redis-cluster://host:6379"),
        ("redis-cluster://h/1", "a cluster has one database"),
        ("redis-cluster://h?db=1", "a cluster has one database"),
        ("redis-cluster://h?pool_size=1", "unknown parameter 'pool_size' of a redis-cluster:// URL"),
        ("redis-cluster://h?tls=false&tls_ca_file=x", "tls=false contradicts tls_ca_file"),
    ],
)
def test_a_parameter_of_redis_that_makes_no_sense_is_told(url: str, text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=re.escape(text)) as caught:
        parse_url(url)

    assert "secret" not in str(caught.value)


_PREFIX = "asynq: could not parse redis uri: "
_NO_DATABASE = f"{_PREFIX}database number should be the first segment of the path"
_NO_SOCKET_DATABASE = "asynq: could not parse redis socket uri: query param `db` should be a number"


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("http://localhost:6379", 'asynq: unsupported uri scheme: "http"'),
        ("localhost:6379", 'asynq: unsupported uri scheme: "localhost"'),
        ("", 'asynq: unsupported uri scheme: ""'),
        ("//h:1", 'asynq: unsupported uri scheme: ""'),
        ("redis://h:1/", _NO_DATABASE),
        ("redis://h:1/abc", _NO_DATABASE),
        ("redis://h:1/1_0", _NO_DATABASE),
        ("redis://h:1/99999999999999999999", _NO_DATABASE),
        ("redis-socket://h", "asynq: could not parse redis socket uri: path does not exist"),
        ("redis-socket:///r.sock?db=x", _NO_SOCKET_DATABASE),
        ("127.0.0.1:6379", f"{_PREFIX}first path segment in URL cannot contain colon"),
        ("://h", f"{_PREFIX}missing protocol scheme"),
        ("redis://h:port", f'{_PREFIX}invalid port ":port" after host'),
        ("redis://[::1", f"{_PREFIX}missing ']' in host"),
        ("redis://h o:1", f"{_PREFIX}invalid character in host name"),
        ("redis://h:1/\n", f"{_PREFIX}invalid control character in URL"),
    ],
)
def test_a_wrong_redis_uri_is_refused_in_gos_words(uri: str, text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        parse_redis_uri(uri)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    "uri",
    [
        "redis://:s%zzecret@h:1",
        "redis://:sec ret@h:1",
        "http://:secret@h",
        "redis://:secret@h:x",
        "redis://:secret@h/db",
        "redis://:secret/more@h:1",
        "redis://bob:secret?more@h:1",
        "rediss://:secret#more@h:1",
        "kafka://bob:secret@h?x=secret",
        "kafka://bob:secret@h:99999",
        "kafka://bob:s%zzecret@h",
        "kafka://bob:secret@h?tls=maybe",
    ],
)
def test_an_error_never_tells_the_password(uri: str) -> None:
    for parse in (parse_redis_uri, parse_url):
        with pytest.raises(errors.InvalidArgumentError) as caught:
            parse(uri)

        assert "ecret" not in str(caught.value)
        assert "sec ret" not in str(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        RedisClientOpt(password="secret"),
        RedisFailoverClientOpt(master_name="m", sentinel_addrs=("h",), sentinel_password="secret", password="secret"),
        RedisClusterClientOpt(addrs=("h",), password="secret"),
        RedpandaOpt(username="bob", password="secret"),
    ],
)
def test_a_repr_never_tells_the_password(target: Target) -> None:
    assert "secret" not in repr(target)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redpanda://h:9092", RedpandaOpt(("h:9092",))),
        ("kafka://h1:9092,h2:9092/shop", RedpandaOpt(("h1:9092", "h2:9092"), "shop")),
        ("redpanda://h:9092?namespace=shop", RedpandaOpt(("h:9092",), "shop")),
        (
            "kafka://h?client_id=c&compression=zstd&driver=confluent&replication_factor=3&request_timeout=2.5",
            RedpandaOpt(("h",), "asynq", 2.5, 3, "c", "zstd", "confluent"),
        ),
        ("kafka://bob:p%40w@h", RedpandaOpt(("h",), username="bob", password="p@w")),
        (
            "kafka://bob@h?sasl_mechanism=PLAIN&password_file=/run/secrets/kafka",
            RedpandaOpt(("h",), username="bob", sasl_mechanism="PLAIN", password_file="/run/secrets/kafka"),
        ),
        ("kafka://h?tls=true", RedpandaOpt(("h",), tls_config=TLSConfig())),
        ("kafka://h?tls=0", RedpandaOpt(("h",))),
        (
            "kafka://h?tls_ca_file=ca.pem&tls_cert_file=c.pem&tls_key_file=k.pem&tls_check_hostname=false",
            RedpandaOpt(
                ("h",),
                tls_config=TLSConfig(ca_file="ca.pem", cert_file="c.pem", key_file="k.pem", check_hostname=False),
            ),
        ),
        ("kafka://h?tls_insecure_skip_verify=1", RedpandaOpt(("h",), tls_config=TLSConfig(insecure_skip_verify=True))),
        ("sqlite:///queue.db", EmbeddedOpt("queue.db")),
        ("sqlite:////var/queue.db", EmbeddedOpt("/var/queue.db")),
        ("sqlite:///~/queue.db", EmbeddedOpt(str(Path.home() / "queue.db"))),
        ("memory://", MemoryOpt()),
        ("memory://mine", MemoryOpt("mine")),
        ("redpanda://h?partitions=16", RedpandaOpt(("h",), partitions=16)),
        ("sqlite:///queue.db?partitions=4", EmbeddedOpt("queue.db", 4)),
        ("memory://mine?partitions=2", MemoryOpt("mine", 2)),
    ],
)
def test_the_other_brokers_have_urls_too(url: str, target: Target) -> None:
    assert parse_url(url) == target


def test_brokers_are_given_as_text_or_one_by_one() -> None:
    assert RedpandaOpt("h1:1, h2").addresses == RedpandaOpt(["h1:1", "h2"]).addresses == ("h1:1", "h2:9092")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("amqp://h", 'asynq: unsupported uri scheme: "amqp"; use redis://'),
        ("localhost:6379", "a broker's URL must begin with its scheme, got none; use redis://"),
        ("", "a broker's URL must begin with its scheme"),
        ("redpanda://", "a redpanda:// URL needs a broker, got none; write redpanda://host:9092"),
        ("kafka:///shop", "a kafka:// URL needs a broker"),
        (
            "kafka://h?replicas=3&password=secret",
            "unknown parameter 'replicas' of a kafka:// URL; did you mean replication_factor=?",
        ),
        ("kafka://h?ca_file=x", "did you mean tls_ca_file=?"),
        ("kafka://h?qqqqq=secret", "unknown parameter 'qqqqq' of a kafka:// URL; use one of namespace, "),
        (
            "kafka://h?username=bob&password=secret",
            "username is no parameter of a kafka:// URL; write kafka://user:password@",
        ),
        ("kafka://h?client_id=a&client_id=b", "parameter client_id of a kafka:// URL is given twice"),
        ("kafka://h?compression=", "parameter compression of a kafka:// URL has no value"),
        ("kafka://h/shop?namespace=other", "names its namespace once; write kafka://host:9092/shop"),
        ("kafka://h?tls=maybe", "parameter tls must be true or false, got 'maybe'"),
        ("kafka://h?tls=false&tls_ca_file=x", "tls=false contradicts tls_ca_file"),
        ("kafka://h?replication_factor=many", "replication_factor must be an integer, got 'many'"),
        ("kafka://h?request_timeout=inf", "request_timeout must be a number of seconds above 0, got 'inf'"),
        ("kafka://h?request_timeout=0", "request_timeout must be a number of seconds above 0, got '0'"),
        ("kafka://h?request_timeout=nan", "request_timeout must be a number of seconds above 0, got 'nan'"),
        ("sqlite://", "a sqlite URL names a file behind three slashes"),
        ("sqlite:///", "a sqlite URL names a file behind three slashes"),
        ("sqlite://queue.db", "a sqlite URL names a file behind three slashes"),
    ],
)
def test_a_url_of_no_broker_is_refused_and_the_message_says_what_to_write(url: str, text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        parse_url(url)

    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_url_that_is_no_text_is_refused() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="must be a str, got int"):
        parse_url(cast("str", 5))


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("redis://h:1?db=2", "redis://host:6379/1"),
        ("sqlite:///:memory:", "memory://"),
        ("kafka://h:9092,h:99999", "kafka://host:9092"),
    ],
)
def test_what_means_nothing_here_is_refused_with_the_remedy(url: str, remedy: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=f"write {re.escape(remedy)}"):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:///queue.db?mode=ro", "unknown parameter 'mode' of a sqlite:// URL"),
        ("sqlite:///queue.db?partitions=0", "partitions must be a whole number from 1 to 256, got 0"),
        ("sqlite:///queue.db?partitions=many", "partitions must be a whole number from 1 to 256, got 'many'"),
        ("sqlite:///queue.db?partitions=2&partitions=3", "given twice"),
        ("redpanda://h?partitions=257", "partitions must be a whole number from 1 to 256, got 257"),
        ("memory://mine?partition=2", "did you mean partitions="),
    ],
)
def test_a_parameter_that_is_none_or_means_nothing_is_named(url: str, text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=re.escape(text)):
        parse_url(url)
