"""How is a Redis broker put together?

Contract: opens nothing; connections are made with the first request. The clock is the only source of time in what is written.
"""

from __future__ import annotations

from asynq_compat.brokers.redis.administering import RedisAdministering
from asynq_compat.brokers.redis.cluster import ClusterLink
from asynq_compat.brokers.redis.commands import command
from asynq_compat.brokers.redis.consuming import RedisConsuming
from asynq_compat.brokers.redis.diagnosing.diagnosing import RedisDiagnosing
from asynq_compat.brokers.redis.failing_over import FailoverLink
from asynq_compat.brokers.redis.inspecting import RedisInspecting
from asynq_compat.brokers.redis.limiting import RedisLimiting
from asynq_compat.brokers.redis.link import Link, ServerLink
from asynq_compat.brokers.redis.maintaining import RedisMaintaining
from asynq_compat.brokers.redis.producing import RedisProducing
from asynq_compat.brokers.redis.registering import RedisRegistering
from asynq_compat.brokers.redis.scheduling import RedisScheduling
from asynq_compat.brokers.redis.settings import RedisSettings
from asynq_compat.brokers.redis.signalling import RedisSignalling
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.maintaining import Duty
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock

__all__ = ["RedisSettings", "open_redis"]

# Asynq's: all servers ask, and each question is a script over every queue's leases.
_RECOVERY_INTERVAL_S = 60.0


def open_redis(settings: RedisSettings, clock: Clock | None = None) -> Broker:
    """Return the broker on the Redis at `settings`; `clock` is the machine's unless a test brings its own.

    Raises:
        InvalidArgumentError: The address is none.
    """
    settings.check_addr()
    clock = clock or SystemClock()
    link = _link(settings)
    producing = RedisProducing(link, clock)

    def ping() -> None:
        link.ask(command(b"PING"))

    return Broker(
        family="redis",
        address=settings.address,
        producing=producing,
        consuming=RedisConsuming(link, clock),
        maintaining=RedisMaintaining(link, clock, producing),
        registering=RedisRegistering(link, clock),
        signalling=RedisSignalling(link),
        scheduling=RedisScheduling(link, producing, clock),
        inspecting=RedisInspecting(link, clock),
        administering=RedisAdministering(link, clock, is_removed=producing.forget),
        limiting=RedisLimiting(link, clock),
        diagnosing=RedisDiagnosing(link, clock),
        duties=frozenset(Duty),
        recovery_interval_s=_RECOVERY_INTERVAL_S,
        ping=ping,
        close=link.close,
    )


def _link(settings: RedisSettings) -> Link:
    if settings.cluster:
        return ClusterLink(settings)
    if settings.sentinels:
        return FailoverLink(settings)
    return ServerLink(settings)
