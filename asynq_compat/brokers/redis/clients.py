"""Which Redis does a client of redis-py talk to, and how?

Contract: opens nothing and leaves the client alone: its settings are read, its connections stay its own. What cannot be done in the same way
(a login that changes, a replica, asyncio) is refused by name.
Not obvious: redis-py fills in its defaults when a connection is made; so one is made, and not opened.
"""

from __future__ import annotations

import ssl
from typing import Any

import redis
from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.sentinel import SentinelConnectionPool

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.targets import RedisClientOpt, RedisClusterClientOpt, RedisConnOpt, RedisFailoverClientOpt

_NO_LIMIT = -1.0


def opt_of_client(client: object) -> RedisConnOpt:
    """Return the option object that means what the client does.

    Args:
        client: A `redis.Redis`, a `redis.RedisCluster`, or what a `redis.Sentinel`'s ``master_for`` gave.

    Raises:
        InvalidArgumentError: It is no such client, or does what cannot be done here.
    """
    if isinstance(client, redis.RedisCluster):
        return _of_cluster(client)
    if not isinstance(client, redis.Redis):
        raise InvalidArgumentError(
            f"a redis client must be a redis.Redis, redis.RedisCluster or a Sentinel's master_for, got {type(client).__name__}"
        )
    pool: Any = client.connection_pool
    connection = _connection_of(pool)
    if isinstance(pool, SentinelConnectionPool):
        return _of_sentinel(pool, connection)
    is_socket = isinstance(connection, UnixDomainSocketConnection)
    return RedisClientOpt(
        addr=connection.path if is_socket else _addr(connection.host, connection.port),
        network="unix" if is_socket else "tcp",
        db=int(connection.db or 0),
        **_common(connection),
    )


def _of_sentinel(pool: Any, connection: Any) -> RedisFailoverClientOpt:
    if not pool.is_master:
        raise InvalidArgumentError("a redis client of replicas cannot carry tasks; give a Sentinel's master_for")
    if not pool.sentinel_manager.sentinels:
        raise InvalidArgumentError("a redis client of a Sentinel needs at least one sentinel, got none")
    sentinels = [_connection_of(each.connection_pool) for each in pool.sentinel_manager.sentinels]
    return RedisFailoverClientOpt(
        master_name=pool.service_name,
        sentinel_addrs=tuple(_addr(each.host, each.port) for each in sentinels),
        sentinel_username=sentinels[0].username or "",
        sentinel_password=sentinels[0].password or "",
        db=int(connection.db or 0),
        **_common(connection),
    )


def _of_cluster(client: Any) -> RedisClusterClientOpt:
    nodes = list(client.nodes_manager.startup_nodes.values())
    node = client.nodes_manager.create_redis_node(
        nodes[0].host, nodes[0].port, **client.nodes_manager.connection_kwargs
    )
    return RedisClusterClientOpt(
        addrs=tuple(_addr(each.host, each.port) for each in nodes), **_common(_connection_of(node.connection_pool))
    )


def _connection_of(pool: Any) -> Any:
    return pool.connection_class(**pool.connection_kwargs)


def _addr(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _common(connection: Any) -> dict[str, Any]:
    if connection.credential_provider is not None:
        raise InvalidArgumentError(
            "a redis client with a credential_provider cannot be shared; give it a username and a password"
        )
    within_s = connection.socket_timeout
    return {
        "username": connection.username or "",
        "password": connection.password or "",
        "dial_timeout": connection.socket_connect_timeout,
        "read_timeout": _NO_LIMIT if within_s is None else within_s,
        "tls_config": _context(connection) if isinstance(connection, SSLConnection) else None,
    }


def _context(connection: Any) -> ssl.SSLContext:
    """Return a context that checks what redis-py's connection would check."""
    if connection.ssl_validate_ocsp or connection.ssl_validate_ocsp_stapled:
        raise InvalidArgumentError("a redis client that validates OCSP cannot be shared; use tls_config=ssl.SSLContext")
    context = ssl.create_default_context()
    context.check_hostname = connection.check_hostname
    context.verify_mode = connection.cert_reqs
    for flag in connection.ssl_include_verify_flags or ():
        context.verify_flags |= flag
    for flag in connection.ssl_exclude_verify_flags or ():
        context.verify_flags &= ~flag
    try:
        if connection.certfile or connection.keyfile:
            context.load_cert_chain(connection.certfile, connection.keyfile, connection.certificate_password)
        if connection.ca_certs or connection.ca_path or connection.ca_data:
            context.load_verify_locations(connection.ca_certs, connection.ca_path, connection.ca_data)
    except OSError as error:
        raise InvalidArgumentError(f"the certificates of the redis client cannot be loaded: {error}") from None
    if connection.ssl_min_version is not None:
        context.minimum_version = connection.ssl_min_version
    if connection.ssl_ciphers:
        try:
            context.set_ciphers(connection.ssl_ciphers)
        except ssl.SSLError:
            raise InvalidArgumentError(
                f"the redis client's ssl_ciphers {connection.ssl_ciphers!r} name no cipher that OpenSSL has here"
            ) from None
    return context
