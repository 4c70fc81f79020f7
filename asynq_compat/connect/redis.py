"""What do the Redis option objects mean for the Redis broker?

Contract: checks every field, fills in Go's defaults, and reads the certificates that are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asynq_compat.connect.checks import check_fields, timeout_s
from asynq_compat.errors import InvalidArgumentError, ServerStateError
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.limits import shown
from asynq_compat.targets import RedisClientOpt, RedisConnOpt, TLSConfig

if TYPE_CHECKING:
    import ssl  # slow to import

    from asynq_compat.brokers.redis.open import RedisSettings


def redis_client_opt(client: object) -> RedisConnOpt:
    """Return the option object that means what a client of redis-py does: a `Redis`, a `RedisCluster`, a Sentinel's ``master_for``.

    Raises:
        InvalidArgumentError: It is no such client, or does what cannot be done here.
    """
    from asynq_compat.brokers.redis.clients import opt_of_client

    return opt_of_client(client)


def check_not_shared(broker: Broker, holder: str, *, is_shared: bool) -> None:
    """Refuse to close what was made from a client of redis-py, as Go does; `holder` is the class that is to be closed.

    Raises:
        ServerStateError: The Redis is shared.
    """
    if is_shared and broker.family == "redis":
        raise ServerStateError(f"redis connection is shared so the {holder} can't be closed through asynq")


def redis_settings(opt: RedisClientOpt) -> RedisSettings:
    """Return what the option means for the Redis broker, Go's defaults filled in.

    Raises:
        InvalidArgumentError: A field is not of its type, a timeout is no duration, or the certificates cannot be loaded.
    """
    from asynq_compat.brokers.redis.open import RedisSettings

    check_fields(opt, addr=str, username=str, password=str, network=str, db=int, pool_size=int)
    if opt.network not in {"", "tcp", "unix"}:
        raise InvalidArgumentError(f"network must be tcp or unix, got {shown(opt.network)}; leave it out to go by addr")
    if opt.pool_size < 0:
        raise InvalidArgumentError(
            f"pool_size must not be negative, got {shown(opt.pool_size)}; leave it out for ten per CPU"
        )
    read_timeout_s = timeout_s("read_timeout", opt.read_timeout, 3.0)
    return RedisSettings(
        network=opt.network or ("unix" if opt.addr.startswith("/") else "tcp"),
        addr=opt.addr or "localhost:6379",
        username=opt.username,
        password=opt.password,
        db=opt.db,
        dial_timeout_s=timeout_s("dial_timeout", opt.dial_timeout, 5.0) or 5.0,
        read_timeout_s=read_timeout_s,
        write_timeout_s=timeout_s("write_timeout", opt.write_timeout, read_timeout_s),
        pool_size=opt.pool_size or None,
        tls=_tls_context(opt.tls_config),
        server_name=opt.tls_config.server_name if isinstance(opt.tls_config, TLSConfig) else "",
    )


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
