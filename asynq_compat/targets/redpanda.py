"""Which Redpanda or Kafka cluster can a program connect to?

Contract: values; nothing is opened here. A parameter of the URL is called like the field of `RedpandaOpt` that it sets, those of its
`tls_config` with tls_ before. Passwords show in no repr and no error, and no parameter's value does that we do not know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import Duration
from asynq_compat.rules.go_url import GoURL
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.rules.limits import shown
from asynq_compat.targets.parameters import TLS_PARAMETERS, Reader, integer, parameters_of, seconds, tls_config, word
from asynq_compat.targets.partitioning import parse_partitions
from asynq_compat.targets.tls import TLSConfig

_PORT_MAX = 65_535


@suggesting_fields
@dataclass(frozen=True, slots=True)
class RedpandaOpt:
    """A Redpanda or Kafka cluster. docs/operations.md says what each role of a program has to be allowed there.

    Attributes:
        brokers: "host:port" of some of its brokers, separated by commas, or a sequence of them; the port may be left out.
        namespace: What the names of its topics begin with; programs with the same namespace share their queues.
        request_timeout: How long a connection or an answer may take; None for 10 seconds to connect and 30 for an answer.
        replication_factor: Of topics made here; -1 leaves it to the cluster.
        client_id: What the brokers' logs, quotas and metrics call this program.
        compression: Of what is appended: "none", "gzip", "snappy", "lz4" or "zstd".
        driver: "kafka-python", or "confluent": faster, and needs ``pip install 'asynq-compat[fast]'``.
        tls_config: None for no TLS.
        sasl_mechanism: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"; "" is the second where there is a user name.
        username: Who logs in; "" for no login.
        password: Of `username`.
        password_file: A file that holds the password; where neither is given the environment's ASYNQ_COMPAT_BROKER_PASSWORD does.
        partitions: Of each queue that this program makes, 1 to 256; docs/semantics.md says what holds per partition.
    """

    brokers: str | Sequence[str] = "localhost:9092"
    namespace: str = "asynq"
    request_timeout: Duration | None = None
    replication_factor: int = -1
    client_id: str = "asynq_compat"
    compression: str = "none"
    driver: str = "kafka-python"
    tls_config: TLSConfig | None = None
    sasl_mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    password_file: str | os.PathLike[str] = ""
    partitions: int = 1

    @property
    def addresses(self) -> tuple[str, ...]:
        """The brokers one by one, each with its port."""
        given = self.brokers.split(",") if isinstance(self.brokers, str) else self.brokers
        return tuple(
            address if re.search(r":[^:\]]*$", address) else f"{address}:9092" for address in map(str.strip, given)
        )


def parse_redpanda(url: GoURL) -> RedpandaOpt:
    """Return what a redpanda or kafka URL means.

    Raises:
        InvalidArgumentError: It cannot be; the message says what to write.
    """
    if not url.host:
        raise InvalidArgumentError(f"a {url.scheme}:// URL needs a broker, got none; write {url.scheme}://host:9092")
    parameters = _parameters(url)
    tls = {name: parameters.pop(name) for name in list(parameters) if name in TLS_PARAMETERS}
    if namespace := url.path.strip("/"):
        if "namespace" in parameters:
            raise InvalidArgumentError(
                f"a {url.scheme}:// URL names its namespace once; write {url.scheme}://host:9092/{namespace}"
            )
        parameters["namespace"] = namespace
    read: dict[str, Any] = {name: _PARAMETERS[name](name, text) for name, text in parameters.items()}
    read |= {"tls_config": tls_config(tls), "username": url.username, "password": url.password or ""}
    target = RedpandaOpt(tuple(url.host.split(",")), **read)
    check_addresses(target.addresses, f"{url.scheme}://host:9092")
    return target


def check_addresses(addresses: Sequence[str], example: str) -> None:
    """Refuse what is no list of brokers. An address with a scheme or a login is not shown: it may hold a password.

    Raises:
        InvalidArgumentError: There is none, or one is no host and port; the message says to write `example`.
    """
    if not addresses:
        raise InvalidArgumentError(f"brokers must be one address at least, got none; write {example}")
    for address in addresses:
        if re.search(r"[/@]", address):
            raise InvalidArgumentError(
                f"brokers must be addresses alone, one has a scheme, a login or a path; write {example}"
            )
        host, _, port = address.rpartition(":")
        if not re.fullmatch(r"\S+", host):
            raise InvalidArgumentError(f"brokers must be addresses, got {shown(address)}; write {example}")
        if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= _PORT_MAX:
            raise InvalidArgumentError(
                f"the port of an address in brokers must be 1 to {_PORT_MAX}, got {shown(address)}; write {example}"
            )


def _parameters(url: GoURL) -> dict[str, str]:
    login = f"write {url.scheme}://user:password@host:9092, or leave the password to password_file"
    return parameters_of(url, [*_PARAMETERS, *TLS_PARAMETERS], {"username": login, "password": login})


_PARAMETERS: Mapping[str, Reader] = {
    "namespace": word,
    "request_timeout": seconds,
    "replication_factor": integer,
    "partitions": lambda _, text: parse_partitions(text),
    "client_id": word,
    "compression": word,
    "driver": word,
    "sasl_mechanism": word,
    "password_file": word,
}
