"""What do the Redis option objects mean for the Redis broker?

Contract: checks every field, fills in Go's defaults, and reads the certificates that are named.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from asynq_compat.connect.checks import are_texts, check_fields, timeout_s
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.limits import shown
from asynq_compat.targets import RedisClientOpt, RedisClusterClientOpt, RedisConnOpt, RedisFailoverClientOpt, TLSConfig

if TYPE_CHECKING:
    import ssl  # slow to import

    from asynq_compat.brokers.redis.open import RedisSettings


# Asynq's.
_REDIRECTS_MAX = 3
_NODE_CONNECTIONS_PER_CPU = 5


def redis_client_opt(client: object) -> RedisConnOpt:
    """Return the option object that means what a client of redis-py does: a `Redis`, a `RedisCluster`, a Sentinel's ``master_for``.

    Raises:
        InvalidArgumentError: It is no such client, or does what cannot be done here.
    """
    from asynq_compat.brokers.redis.clients import opt_of_client

    return opt_of_client(client)


def redis_settings(opt: RedisConnOpt) -> RedisSettings:
    """Return what the option means for the Redis broker, Go's defaults filled in.

    Raises:
        InvalidArgumentError: A field is not of its type, a timeout is no duration, or the certificates cannot be loaded.
    """
    from asynq_compat.brokers.redis.open import RedisSettings

    check_fields(opt, username=str, password=str)
    where = (
        _of_server(opt)
        if isinstance(opt, RedisClientOpt)
        else _of_sentinels(opt)
        if isinstance(opt, RedisFailoverClientOpt)
        else _of_cluster(opt)
    )
    read_timeout_s = timeout_s("read_timeout", opt.read_timeout, 3.0)
    return RedisSettings(
        username=opt.username,
        password=opt.password,
        dial_timeout_s=timeout_s("dial_timeout", opt.dial_timeout, 5.0) or 5.0,
        read_timeout_s=read_timeout_s,
        write_timeout_s=timeout_s("write_timeout", opt.write_timeout, read_timeout_s),
        tls=_tls_context(opt.tls_config),
        server_name=opt.tls_config.server_name if isinstance(opt.tls_config, TLSConfig) else "",
        **where,
    )


def _of_server(opt: RedisClientOpt) -> dict[str, Any]:
    check_fields(opt, addr=str, network=str)
    if opt.network not in {"", "tcp", "unix"}:
        raise InvalidArgumentError(f"network must be tcp or unix, got {shown(opt.network)}; leave it out to go by addr")
    network = opt.network or ("unix" if opt.addr.startswith("/") else "tcp")
    return {"network": network, "addr": opt.addr or "localhost:6379", **_pooled(opt)}


def _of_sentinels(opt: RedisFailoverClientOpt) -> dict[str, Any]:
    check_fields(opt, master_name=str, sentinel_username=str, sentinel_password=str)
    if not opt.master_name.strip():
        raise InvalidArgumentError(
            "master_name must say which master the sentinels watch, got none; write redis-sentinel://host:26379?master=mymaster"
        )
    return {
        "sentinels": _addresses("sentinel_addrs", opt.sentinel_addrs, "host:26379"),
        "master_name": opt.master_name,
        "sentinel_username": opt.sentinel_username,
        "sentinel_password": opt.sentinel_password,
        **_pooled(opt),
    }


def _of_cluster(opt: RedisClusterClientOpt) -> dict[str, Any]:
    check_fields(opt, max_redirects=int)
    if opt.max_redirects < -1:
        raise InvalidArgumentError(
            f"max_redirects must be -1 for none, 0 for 3, or more, got {shown(opt.max_redirects)}"
        )
    return {
        "cluster": _addresses("addrs", opt.addrs, "host:6379"),
        "max_redirects": max(opt.max_redirects or _REDIRECTS_MAX, 0),
        "pool_size": _NODE_CONNECTIONS_PER_CPU * (os.cpu_count() or 1),
    }


def _pooled(opt: RedisClientOpt | RedisFailoverClientOpt) -> dict[str, Any]:
    check_fields(opt, db=int, pool_size=int)
    if opt.pool_size < 0:
        raise InvalidArgumentError(
            f"pool_size must not be negative, got {shown(opt.pool_size)}; leave it out for ten per CPU"
        )
    return {"db": opt.db, "pool_size": opt.pool_size or None}


def _addresses(name: str, given: object, example: str) -> tuple[str, ...]:
    if isinstance(given, str) or not are_texts(given):
        raise InvalidArgumentError(f"{name} must be a sequence of addresses, got {shown(given)}; write [{example!r}]")
    addresses = tuple(cast("Sequence[str]", given))
    if not all(address.strip() for address in addresses) or not addresses:
        raise InvalidArgumentError(
            f"{name} must name one address at least, and none that is blank; write [{example!r}]"
        )
    return addresses


def _tls_context(config: TLSConfig | ssl.SSLContext | None) -> bool | ssl.SSLContext:
    if config is None:
        return False
    import ssl

    if isinstance(config, ssl.SSLContext):
        return config
    if not isinstance(config, TLSConfig):
        raise InvalidArgumentError(f"tls_config must be a TLSConfig or ssl.SSLContext, got {shown(config)}")
    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if config.cert_file:
            context.load_cert_chain(config.cert_file, config.key_file or None)
    except OSError as error:
        raise InvalidArgumentError(f"the certificates of {config} cannot be loaded: {error}; check the files") from None
    context.check_hostname = config.check_hostname and not config.insecure_skip_verify
    if config.insecure_skip_verify:
        context.verify_mode = ssl.CERT_NONE
    return context
