"""Which cluster is it, how is it spoken to, and how long may it take to answer?

Contract: values; checked when they are made. No password shows in a repr or an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from asynq_compat.errors import InvalidArgumentError

DRIVERS = ("kafka-python", "confluent")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN")

_CONNECT_TIMEOUT_S = 10.0
_REPLICATION_FACTOR_MAX = 32_767  # The protocol's int16.
_LEGAL = re.compile(r"[A-Za-z0-9._-]+")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(choices)}, got {value!r:.80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """TLS: PEM files, "" for the system's authorities and for no certificate of our own."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    checks_certificate: bool = True
    checks_host_name: bool = True

    def __post_init__(self) -> None:
        if self.key_file and not self.cert_file:
            raise InvalidArgumentError(f"key_file {self.key_file!r:.80} belongs to a certificate; set cert_file too")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """SASL: who logs in, and how."""

    username: str
    password: str = field(repr=False)
    mechanism: str = MECHANISMS[0]

    def __post_init__(self) -> None:
        _check_choice("sasl_mechanism", self.mechanism, MECHANISMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Where a cluster is and what our topics are called.

    Attributes:
        bootstrap: "host:port" of some of its brokers.
        namespace: What the names of our topics begin with.
        request_timeout_s: How long an append or a question may take before it counts as unanswered.
        connect_timeout_s: How long a connection may take; None: 10 seconds, less if `request_timeout_s` is.
        replication_factor: Of topics made here; -1 leaves it to the cluster.
        client_id: What the brokers call us.
        compression: One of `CODECS`.
        driver: One of `DRIVERS`: which client library speaks.
        encryption: None for no TLS.
        login: None for no SASL.
    """

    bootstrap: tuple[str, ...]
    namespace: str = "asynq"
    request_timeout_s: float = 30.0
    connect_timeout_s: float | None = None
    replication_factor: int = -1
    client_id: str = "asynq_compat"
    compression: str = CODECS[0]
    driver: str = DRIVERS[0]
    encryption: Encryption | None = None
    login: Login | None = None

    def __post_init__(self) -> None:
        if not self.bootstrap or not all(re.fullmatch(r".+:\d{1,5}", address) for address in self.bootstrap):
            raise InvalidArgumentError(f"bootstrap must be addresses such as localhost:9092, got {self.bootstrap!r}")
        for name, text, default in (
            ("namespace", self.namespace, "asynq"),
            ("client_id", self.client_id, "asynq_compat"),
        ):
            if not _LEGAL.fullmatch(text):
                raise InvalidArgumentError(
                    f"{name} must consist of letters, digits, '.', '_' and '-', got {text!r:.80}; {default} is the default"
                )
        if not self.request_timeout_s > 0:
            raise InvalidArgumentError(
                f"request_timeout_s must be above 0, got {self.request_timeout_s}; 30 is the default"
            )
        if self.replication_factor != -1 and not 0 < self.replication_factor <= _REPLICATION_FACTOR_MAX:
            raise InvalidArgumentError(
                f"replication_factor must be at least 1, got {self.replication_factor!r:.80}; -1 leaves it to the cluster"
            )
        _check_choice("compression", self.compression, CODECS)
        _check_choice("driver", self.driver, DRIVERS)

    @property
    def connects_within_s(self) -> float:
        """How long a connection may take."""
        return self.connect_timeout_s or min(_CONNECT_TIMEOUT_S, self.request_timeout_s)

    @property
    def protocol(self) -> str:
        """Kafka's name of how it is spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
        transport = "SSL" if self.encryption else "PLAINTEXT"
        return f"SASL_{transport}" if self.login else transport

    @property
    def address(self) -> str:
        """The brokers and the namespace as a URL."""
        return f"kafka://{','.join(self.bootstrap)}/{self.namespace}"
