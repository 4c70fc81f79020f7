"""Which Redis can a program connect to?

Contract: values; nothing is opened here. Passwords show in no repr and no error.
Not obvious: `parse_redis_uri` is Go's, with its oddities (the user name is ignored, no default port, a trailing slash is an error).
Source: asynq v0.26.0 `RedisClientOpt`, `ParseRedisURI`; docs/semantics.md, "construction".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asynq_compat.errors import InvalidArgumentError, remedied
from asynq_compat.options import Duration
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.go_url import GoURL, host_without_port, parse_go_int, parse_go_url
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.rules.limits import shown
from asynq_compat.targets.tls import TLSConfig

if TYPE_CHECKING:
    import ssl  # slow to import, and only needed by who uses TLS


@suggesting_fields
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


@suggesting_fields
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


@suggesting_fields
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


def parse_redis_uri(uri: str) -> RedisConnOpt:
    """Return what a redis, rediss, redis-socket or redis-sentinel URI means, as Go's ParseRedisURI does.

    Raises:
        InvalidArgumentError: It cannot be parsed, with Go's text.
    """
    if not isinstance(uri, str):
        raise InvalidArgumentError(
            f"a redis URI must be a str, got {type(uri).__name__}; for example redis://localhost:6379"
        )
    try:
        url = parse_go_url(uri)
    except ValueError as cause:
        raise InvalidArgumentError(f"asynq: could not parse redis uri: {cause}") from None
    parse = REDIS_SCHEMES.get(url.scheme)
    if parse is None:
        raise remedied(f"asynq: unsupported uri scheme: {go_quoted(url.scheme)}", f"use {_SCHEMES}")
    return parse(url)


def _parse_redis(url: GoURL) -> RedisClientOpt:
    db = 0
    if url.path:
        try:
            db = parse_go_int(url.path.strip("/").partition("/")[0])
        except ValueError:
            raise remedied(
                "asynq: could not parse redis uri: database number should be the first segment of the path",
                f"write {url.scheme}://host:6379/0, and a / in a password as %2F",
            ) from None
    tls_config = TLSConfig(server_name=host_without_port(url.host)) if url.scheme == "rediss" else None
    return RedisClientOpt(addr=url.host, password=url.password or "", db=db, tls_config=tls_config)


def _parse_redis_socket(url: GoURL) -> RedisClientOpt:
    prefix = "asynq: could not parse redis socket uri"
    if not url.path:
        raise remedied(f"{prefix}: path does not exist", "write redis-socket:///run/redis.sock")
    db_text = url.query_value("db")
    try:
        db = parse_go_int(db_text) if db_text else 0
    except ValueError:
        raise remedied(f"{prefix}: query param `db` should be a number", f"got {shown(db_text)}; write ?db=1") from None
    return RedisClientOpt(network="unix", addr=url.path, password=url.password or "", db=db)


def _parse_redis_sentinel(url: GoURL) -> RedisFailoverClientOpt:
    return RedisFailoverClientOpt(
        master_name=url.query_value("master"),
        sentinel_addrs=tuple(url.host.split(",")),
        sentinel_password=url.password or "",
    )


_SCHEMES = "redis://, rediss://, redis-socket:// or redis-sentinel://"
REDIS_SCHEMES: Mapping[str, Callable[[GoURL], RedisConnOpt]] = {
    "redis": _parse_redis,
    "rediss": _parse_redis,
    "redis-socket": _parse_redis_socket,
    "redis-sentinel": _parse_redis_sentinel,
}
