"""Which brokers are measured, and how is each emptied?

Contract: all live as long as the block; a journal is emptied by taking another name.
"""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from tests.bench.measure import Target
from tests.services.kafka import ALL_COMPILERS, KafkaCluster
from tests.services.redis import RedisServer

JOURNALS = ("sqlite", "kafka", "confluent")


@contextlib.contextmanager
def brokers() -> Iterator[tuple[dict[str, Target], Path]]:
    """Start the brokers; yield the targets by name, and a folder to work in."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server = RedisServer()
        stack.callback(server.stop)
        cluster = KafkaCluster(jvm=ALL_COMPILERS)
        stack.callback(cluster.stop)
        names = {"": ""}

        def renew() -> None:
            names[""] = uuid.uuid4().hex[:8]

        def flush() -> None:
            with redis.Redis.from_url(server.url) as connection:
                connection.flushall()

        def kafka(options: str) -> Callable[[int], str]:
            return lambda partitions: _with(
                f"redpanda://{cluster.bootstrap}/b{names['']}", options, f"partitions={partitions}" * (partitions > 1)
            )

        def sqlite(partitions: int) -> str:
            return _with(f"sqlite:///{folder}/{names['']}.db", f"partitions={partitions}" * (partitions > 1))

        renew()
        yield (
            {
                "redis": Target("redis", lambda _: server.url, server.pid, flush),
                "sqlite": Target("sqlite", sqlite, None, renew),
                "kafka": Target("kafka", kafka(""), cluster.pid, renew),
                "confluent": Target("confluent", kafka("driver=confluent"), cluster.pid, renew),
            },
            Path(folder),
        )


def _with(url: str, *options: str) -> str:
    given = "&".join(filter(None, options))
    return f"{url}?{given}" if given else url
