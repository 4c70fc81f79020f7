"""Is an option object for Redpanda checked before anything is connected, and is its password found and kept secret?"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from asynq_compat.connect import open_broker
from asynq_compat.connect.kafka import LOGIN_VARIABLE, _login
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.targets import RedpandaOpt, TLSConfig


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"brokers": 5}, "brokers must be a str or a sequence of them"),
        ({"brokers": []}, "brokers must be one address at least, got none; write RedpandaOpt('localhost:9092')"),
        ({"brokers": ""}, "brokers must be addresses, got ':9092'"),
        ({"brokers": "h1:1,,h2:2"}, "brokers must be addresses, got ':9092'"),
        ({"brokers": "a b:1"}, "brokers must be addresses, got 'a b:1'"),
        ({"brokers": "h:99999"}, "in brokers must be 1 to 65535, got 'h:99999'"),
        ({"brokers": ("h:1", "h:0")}, "in brokers must be 1 to 65535, got 'h:0'"),
        ({"brokers": "h:x"}, "in brokers must be 1 to 65535, got 'h:x'"),
        ({"brokers": "kafka://bob:s3cret@h:1"}, "brokers must be addresses alone, one has a scheme, a login or a path"),
        ({"request_timeout": 0}, "request_timeout must be above 0, got 0"),
        ({"request_timeout": -1.5}, "request_timeout must be above 0, got -1.5"),
        ({"request_timeout": float("nan")}, "request_timeout must be a finite number"),
        ({"namespace": b"x"}, "namespace of RedpandaOpt must be of type str, got bytes"),
        ({"namespace": "a b"}, "namespace must consist of letters, digits"),
        ({"client_id": "a/b"}, "client_id must consist of letters, digits"),
        ({"replication_factor": 0}, "replication_factor must be at least 1, got 0; -1 leaves it to the cluster"),
        ({"compression": "brotli"}, "compression must be one of none, gzip, snappy, lz4, zstd, got 'brotli'"),
        ({"driver": "aiokafka"}, "driver must be one of kafka-python"),
        (
            {"sasl_mechanism": "GSSAPI", "username": "b", "password": "s3cret"},
            "sasl_mechanism must be one of SCRAM-SHA-256",
        ),
        ({"password": "s3cret"}, "a login needs a user name"),
        ({"sasl_mechanism": "PLAIN"}, "a login needs a user name"),
        (
            {"username": "bob"},
            "user 'bob' has no password; give it as password, as password_file, or in the environment",
        ),
        ({"username": "bob", "password": "s3cret", "password_file": "f"}, "password and password_file are both given"),
        (
            {"username": "bob", "password_file": "/no/such/file"},
            "password_file /no/such/file cannot be read: no such file",
        ),
        ({"tls_config": "ca.pem"}, "tls_config of RedpandaOpt must be a TLSConfig, got 'ca.pem'"),
        ({"tls_config": TLSConfig(server_name="h")}, "server_name 'h' names one server, a cluster has several"),
        ({"tls_config": TLSConfig(ca_file="/no/ca.pem")}, "file /no/ca.pem cannot be read: no such file"),
        ({"tls_config": TLSConfig(ca_file=__file__)}, "test_connect_kafka.py holds no certificate of an authority"),
        ({"tls_config": TLSConfig(cert_file=__file__)}, "and its key in the same file cannot be used"),
        ({"tls_config": TLSConfig(key_file="k.pem")}, "key_file 'k.pem' belongs to a certificate; set cert_file too"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_before_anything_is_connected(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        open_broker(RedpandaOpt(**{"brokers": "h:1", **fields}))

    assert text in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_password_comes_from_the_option_else_its_file_else_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    environment = {LOGIN_VARIABLE: "from environment"}

    logins = [
        _login(RedpandaOpt("h:1", username="bob", tls_config=TLSConfig(), **given), environment)
        for given in ({"password": "from option"}, {"password_file": file}, {})
    ]

    assert [login.password for login in logins if login] == ["from option", "from file", "from environment"]
    assert all(login and login.mechanism == "SCRAM-SHA-256" for login in logins)
    assert "from" not in repr(logins)


def test_an_empty_file_is_no_password(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("\n")

    with pytest.raises(InvalidArgumentError, match="has nothing in its first line"):
        _login(RedpandaOpt("h:1", username="bob", password_file=file), {})


@pytest.mark.parametrize(("tls_config", "count"), [(None, 1), (TLSConfig(), 0)])
def test_a_password_that_everybody_on_the_way_can_read_is_warned_of(
    tls_config: TLSConfig | None, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    opt = RedpandaOpt("h:1", username="bob", password="s3cret", sasl_mechanism="PLAIN", tls_config=tls_config)

    _login(opt, {})

    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == count
    assert "s3cret" not in "".join(warnings)
