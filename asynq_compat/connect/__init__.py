"""Which broker does a program get, and what chose it?

Contract: the only composition root: nothing else builds a broker or reads the environment.
"""

from asynq_compat.connect.held import HeldBroker
from asynq_compat.connect.opening import (
    VARIABLE,
    BrokerTarget,
    check_kind,
    check_target,
    choose,
    claim,
    default_path,
    open_broker,
)
from asynq_compat.connect.redis import redis_client_opt, redis_settings
from asynq_compat.connect.standing_in import clock_for

__all__ = [
    "VARIABLE",
    "BrokerTarget",
    "HeldBroker",
    "check_kind",
    "check_target",
    "choose",
    "claim",
    "clock_for",
    "default_path",
    "open_broker",
    "redis_client_opt",
    "redis_settings",
]
