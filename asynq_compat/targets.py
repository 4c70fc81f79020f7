"""What can a program connect to?

Contract: values; nothing is opened here. Passwords show in no repr and no error.
Not obvious: `parse_redis_uri` is Go's, with its oddities (the user name is ignored, no default port, a trailing slash is an error);
`parse_url` knows the other brokers too.
Source: asynq v0.26.0 `RedisClientOpt`, `ParseRedisURI`; docs/semantics.md, "construction".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import Duration
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.go_url import GoURL, host_without_port, parse_go_int, parse_go_url

if TYPE_CHECKING:
    import ssl  # slow to import, and only needed by who uses TLS

_PORT_MAX = 65_535
SCHEMES = "redis://, rediss://, redis-socket://, redpanda://, sqlite:///file or memory://"


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSConfig:
    """How to speak TLS, in Go's words.

    Attributes:
        server_name: Name to check the certificate against; "" for the host that is dialled.
        ca_file: PEM file of the authorities to trust; "" for the system's.
        cert_file, key_file: PEM files of our own certificate; "" for none.
        insecure_skip_verify: Accept any certificate.
    """

    server_name: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class RedisClientOpt:
    """One Redis server.

    Attributes:
        addr: "host:port", or the path of a Unix socket.
        username: Sent only together with a password.
        db: Number of the database.
        dial_timeout: Time to connect; None for 5 seconds.
        read_timeout: Time to wait for an answer; None for 3 seconds, -1 for no limit.
        write_timeout: Time to send; None for `read_timeout`.
        pool_size: Connections at most; 0 for ten per CPU.
        tls_config: None for no TLS.
        network: "tcp" or "unix"; "" decides by `addr`.
    """

    addr: str = "localhost:6379"
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    dial_timeout: Duration | None = None
    read_timeout: Duration | None = None
    write_timeout: Duration | None = None
    pool_size: int = 0
    tls_config: TLSConfig | ssl.SSLContext | None = None
    network: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFailoverClientOpt:
    """A Redis master watched by sentinels. Fields as in `RedisClientOpt`."""

    master_name: str
    sentinel_addrs: Sequence[str]
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    dial_timeout: Duration | None = None
    read_timeout: Duration | None = None
    write_timeout: Duration | None = None
    pool_size: int = 0
    tls_config: TLSConfig | ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisClusterClientOpt:
    """A Redis cluster. `max_redirects`: 0 for Go's 3, -1 for none; other fields as in `RedisClientOpt`."""

    addrs: Sequence[str]
    max_redirects: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    dial_timeout: Duration | None = None
    read_timeout: Duration | None = None
    write_timeout: Duration | None = None
    tls_config: TLSConfig | ssl.SSLContext | None = None


RedisConnOpt = RedisClientOpt | RedisFailoverClientOpt | RedisClusterClientOpt


@dataclass(frozen=True, slots=True)
class RedpandaOpt:
    """A Redpanda or Kafka cluster.

    Attributes:
        brokers: "host:port" of some of its brokers, separated by commas, or a sequence of them; the port may be left out.
        namespace: What the names of its topics begin with; programs with the same namespace share their queues.
        request_timeout: How long a connection or an answer may take; None for 10 seconds to connect and 30 for an answer.
        replication_factor: Of topics made here; -1 leaves it to the cluster.
    """

    brokers: str | Sequence[str] = "localhost:9092"
    namespace: str = "asynq"
    request_timeout: Duration | None = None
    replication_factor: int = -1

    @property
    def addresses(self) -> tuple[str, ...]:
        """The brokers one by one, each with its port."""
        given = self.brokers.split(",") if isinstance(self.brokers, str) else self.brokers
        return tuple(
            address if re.search(r":\d+$", address) else f"{address}:9092" for address in map(str.strip, given)
        )


@dataclass(frozen=True, slots=True)
class EmbeddedOpt:
    """A SQLite file that processes of one machine share; needs no server. `path` "" is the default file of this user."""

    path: str | os.PathLike[str] = ""


@dataclass(frozen=True, slots=True)
class MemoryOpt:
    """Tasks in the memory of this process, gone with it; the same `name` is the same broker."""

    name: str = ""


Target = RedisConnOpt | RedpandaOpt | EmbeddedOpt | MemoryOpt


def parse_redis_uri(uri: str) -> RedisConnOpt:
    """Return what a redis, rediss, redis-socket or redis-sentinel URI means, as Go's ParseRedisURI does.

    Raises:
        InvalidArgumentError: It cannot be parsed, with Go's text.
    """
    if not isinstance(uri, str):
        raise InvalidArgumentError(
            f"a redis URI must be a str, got {type(uri).__name__}; for example redis://localhost:6379"
        )
    url = _parsed(uri)
    parse = _REDIS_SCHEMES.get(url.scheme)
    if parse is None:
        raise InvalidArgumentError(f"asynq: unsupported uri scheme: {go_quoted(url.scheme)}")
    return parse(url)


def parse_url(url: str) -> Target:
    """Return what a broker's URL means.

    Raises:
        InvalidArgumentError: It is no URL of a broker; the message names those that are.
    """
    if not isinstance(url, str):
        raise InvalidArgumentError(f"a broker's URL must be a str, got {type(url).__name__}; use {SCHEMES}")
    if "://" not in url:
        raise InvalidArgumentError(
            f"a broker's URL must begin with its scheme, got none; use {SCHEMES}, for example redis://localhost:6379"
        )
    parts = _parsed(url)
    if parts.scheme in {"redis", "rediss"} and parts.query_value("db"):
        # Go ignores it, and would use another database than was meant.
        raise InvalidArgumentError(
            f"a {parts.scheme}:// URL names its database as its path, got a parameter db; write {parts.scheme}://host:6379/1"
        )
    if parts.scheme in _REDIS_SCHEMES:
        return _REDIS_SCHEMES[parts.scheme](parts)
    if parts.scheme in {"redpanda", "kafka"}:
        return _parse_redpanda(parts)
    if parts.scheme == "sqlite":
        return _parse_sqlite(parts)
    if parts.scheme == "memory":
        return MemoryOpt(parts.host + parts.path)
    raise InvalidArgumentError(f"asynq: unsupported uri scheme: {go_quoted(parts.scheme)}; use {SCHEMES}")


def _parsed(text: str) -> GoURL:
    try:
        return parse_go_url(text)
    except ValueError as cause:
        what = "uri of a broker" if text.startswith(("redpanda:", "kafka:", "sqlite:", "memory:")) else "redis uri"
        raise InvalidArgumentError(f"asynq: could not parse {what}: {cause}") from None


def _parse_redis(url: GoURL) -> RedisClientOpt:
    db = 0
    if url.path:
        try:
            db = parse_go_int(url.path.strip("/").partition("/")[0])
        except ValueError:
            raise InvalidArgumentError(
                "asynq: could not parse redis uri: database number should be the first segment of the path"
            ) from None
    tls_config = TLSConfig(server_name=host_without_port(url.host)) if url.scheme == "rediss" else None
    return RedisClientOpt(addr=url.host, password=url.password or "", db=db, tls_config=tls_config)


def _parse_redis_socket(url: GoURL) -> RedisClientOpt:
    prefix = "asynq: could not parse redis socket uri"
    if not url.path:
        raise InvalidArgumentError(f"{prefix}: path does not exist")
    db_text = url.query_value("db")
    try:
        db = parse_go_int(db_text) if db_text else 0
    except ValueError:
        raise InvalidArgumentError(f"{prefix}: query param `db` should be a number") from None
    return RedisClientOpt(network="unix", addr=url.path, password=url.password or "", db=db)


def _parse_redis_sentinel(url: GoURL) -> RedisFailoverClientOpt:
    return RedisFailoverClientOpt(
        master_name=url.query_value("master"),
        sentinel_addrs=tuple(url.host.split(",")),
        sentinel_password=url.password or "",
    )


_REDIS_SCHEMES: Mapping[str, Callable[[GoURL], RedisConnOpt]] = {
    "redis": _parse_redis,
    "rediss": _parse_redis,
    "redis-socket": _parse_redis_socket,
    "redis-sentinel": _parse_redis_sentinel,
}


def _parse_redpanda(url: GoURL) -> RedpandaOpt:
    if not url.host:
        raise InvalidArgumentError(f"a {url.scheme}:// URL needs a broker, got none; write {url.scheme}://host:9092")
    if url.username or url.password is not None:
        raise InvalidArgumentError(
            f"a {url.scheme}:// URL with a user name or password is not supported yet; use a listener without SASL"
        )
    namespace = url.path.strip("/") or url.query_value("namespace")
    target = RedpandaOpt(tuple(url.host.split(",")), namespace or "asynq")
    for address in target.addresses:
        if not 0 < int(address.rpartition(":")[2]) <= _PORT_MAX:
            raise InvalidArgumentError(
                f"a broker's port must be 1 to {_PORT_MAX}, got {address}; write {url.scheme}://host:9092"
            )
    return target


def _parse_sqlite(url: GoURL) -> EmbeddedOpt:
    if url.host or url.path in {"", "/"}:
        raise InvalidArgumentError(
            "a sqlite URL names a file behind three slashes (relative) or four (absolute); write sqlite:///queue.db"
        )
    if url.path == "/:memory:":
        raise InvalidArgumentError(
            "a sqlite URL names a file, got :memory:; write memory:// for tasks of this process alone"
        )
    if url.query:
        raise InvalidArgumentError("a sqlite URL takes no parameters behind a question mark; write sqlite:///queue.db")
    return EmbeddedOpt(os.path.expanduser(url.path[1:]))
