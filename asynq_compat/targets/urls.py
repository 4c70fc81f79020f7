"""Which broker does a URL mean?

Contract: pure. Errors name what is wrong and what to write, never a password.
"""

from __future__ import annotations

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.go_url import parse_go_url
from asynq_compat.targets.local import EmbeddedOpt, MemoryOpt, parse_memory, parse_sqlite
from asynq_compat.targets.redis import RedisConnOpt
from asynq_compat.targets.redis_urls import REDIS_URL_SCHEMES, parse_redis_url
from asynq_compat.targets.redpanda import RedpandaOpt, parse_redpanda

SCHEMES = "redis://, rediss://, redis-socket://, redis-sentinel://, redis-cluster://, redpanda://, sqlite:///file or memory://"

Target = RedisConnOpt | RedpandaOpt | EmbeddedOpt | MemoryOpt


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
    try:
        parts = parse_go_url(url)
    except ValueError as cause:
        what = "uri of a broker" if url.startswith(("redpanda:", "kafka:", "sqlite:", "memory:")) else "redis uri"
        raise InvalidArgumentError(f"asynq: could not parse {what}: {cause}") from None
    if parts.scheme in REDIS_URL_SCHEMES:
        return parse_redis_url(parts)
    if parts.scheme in {"redpanda", "kafka"}:
        return parse_redpanda(parts)
    if parts.scheme == "sqlite":
        return parse_sqlite(parts)
    if parts.scheme == "memory":
        return parse_memory(parts)
    raise InvalidArgumentError(f"asynq: unsupported uri scheme: {go_quoted(parts.scheme)}; use {SCHEMES}")
