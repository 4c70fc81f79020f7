"""What can a program connect to?

Contract: values; nothing is opened here. Passwords show in no repr and no error.
"""

from asynq_compat.targets.local import EmbeddedOpt, MemoryOpt
from asynq_compat.targets.redis import (
    RedisClientOpt,
    RedisClusterClientOpt,
    RedisConnOpt,
    RedisFailoverClientOpt,
    parse_redis_uri,
)
from asynq_compat.targets.redpanda import RedpandaOpt
from asynq_compat.targets.tls import TLSConfig
from asynq_compat.targets.urls import SCHEMES, Target, parse_url

__all__ = [
    "SCHEMES",
    "EmbeddedOpt",
    "MemoryOpt",
    "RedisClientOpt",
    "RedisClusterClientOpt",
    "RedisConnOpt",
    "RedisFailoverClientOpt",
    "RedpandaOpt",
    "TLSConfig",
    "Target",
    "parse_redis_uri",
    "parse_url",
]
