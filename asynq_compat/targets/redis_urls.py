"""Which Redis does a broker's URL mean, with its parameters?

Contract: pure. What `parse_redis_uri` makes of the URL, and on top what its parameters say, each called like the field that it sets, those of
`tls_config` with tls_ before. Go knows no parameters, nor a URL for a cluster: both are ours.
Source: docs/redis.md, "Connection".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from asynq_compat.errors import InvalidArgumentError, with_remedy
from asynq_compat.rules.go_url import GoURL, host_without_port
from asynq_compat.targets.parameters import TLS_PARAMETERS, Reader, integer, parameters_of, timeout, tls_config, word
from asynq_compat.targets.redis import REDIS_SCHEMES, RedisClusterClientOpt, RedisConnOpt

_COMMON: Mapping[str, Reader] = {
    "username": word,
    "dial_timeout": timeout,
    "read_timeout": timeout,
    "write_timeout": timeout,
}
_POOLED: Mapping[str, Reader] = {**_COMMON, "pool_size": integer}
_TLS: Mapping[str, Reader] = {**TLS_PARAMETERS, "tls_server_name": word}
# Those that Go itself reads out of the URL are None.
_PARAMETERS: Mapping[str, Mapping[str, Reader | None]] = {
    "redis": _POOLED,
    "rediss": {**_POOLED, **{name: reader for name, reader in _TLS.items() if name != "tls"}},
    "redis-socket": {**_POOLED, "db": None},
    "redis-sentinel": {
        **_POOLED,
        "master": None,
        "db": integer,
        "password": word,
        "sentinel_username": word,
        **_TLS,
    },
    "redis-cluster": {**_COMMON, "max_redirects": integer, **_TLS},
}
REDIS_URL_SCHEMES = frozenset(_PARAMETERS)


def parse_redis_url(url: GoURL) -> RedisConnOpt:
    """Return what a URL of one of `REDIS_URL_SCHEMES` means.

    Raises:
        InvalidArgumentError: It cannot be; the message says what to write.
    """
    readers = _PARAMETERS[url.scheme]
    try:
        opt = _parse_cluster(url) if url.scheme == "redis-cluster" else REDIS_SCHEMES[url.scheme](url)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(with_remedy(error)) from None
    given = parameters_of(replace(url, query=_without_empty(url)), readers, _misplaced(url.scheme))
    tls = {name: given.pop(name) for name in list(given) if name.startswith("tls")}
    server_name = tls.pop("tls_server_name", "")
    changes: dict[str, Any] = {
        name: reader(name, text) for name, text in given.items() if (reader := readers[name]) is not None
    }
    if tls or server_name:
        config = tls_config(tls or {"tls": "true"})
        named = server_name or (host_without_port(url.host) if url.scheme == "rediss" else "")
        changes["tls_config"] = config and replace(config, server_name=named)
    return replace(opt, **changes)


def _parse_cluster(url: GoURL) -> RedisClusterClientOpt:
    if not url.host:
        raise InvalidArgumentError("a redis-cluster:// URL needs a node, got none; write redis-cluster://host:6379")
    if url.path.strip("/"):
        raise InvalidArgumentError("a cluster has one database, its URL has no path; write redis-cluster://host:6379")
    return RedisClusterClientOpt(addrs=tuple(url.host.split(",")), password=url.password or "")


def _misplaced(scheme: str) -> dict[str, str]:
    path = "a cluster has one database" if scheme == "redis-cluster" else f"write {scheme}://host:6379/1"
    return {"db": path, "password": f"write {scheme}://:password@host:6379"}


def _without_empty(url: GoURL) -> str:
    """Return the query without the one parameter that Go takes empty."""
    return "&".join(part for part in url.query.split("&") if part not in {"db=", "db", "master=", "master"})
