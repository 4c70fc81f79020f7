"""How is the archive trimmed, to the last oddity of Asynq's?"""

from __future__ import annotations

import pytest
import redis

from asynq_compat.brokers.redis.open import open_redis
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.testing.clock import VirtualClock
from tests.interop.redis_tools import request, settings_of

pytestmark = pytest.mark.redis

ARCHIVED = "asynq:{default}:archived"


def archive_one(redis_url: str, clock: VirtualClock) -> SettleOutcome:
    broker = open_redis(settings_of(redis_url), clock)
    broker.producing.enqueue([request("failed")])
    intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
    (lease,) = intake.take(1)
    (outcome,) = intake.settle([Settlement(lease, SettleKind.ARCHIVE, error_msg="boom")], 1)
    intake.close()
    broker.close()
    return outcome


def fill(raw: redis.Redis, count: int, score: int) -> None:
    raw.zadd(ARCHIVED, {f"old-{number:05}": score for number in range(count)})
    with raw.pipeline(transaction=False) as batch:
        for number in range(count):
            batch.hset(f"asynq:{{default}}:t:old-{number:05}", "msg", "m")
        batch.execute()


def test_one_less_than_the_limit_remains_and_what_goes_takes_its_hash_along(redis_url: str) -> None:
    clock = VirtualClock()
    with redis.Redis.from_url(redis_url) as raw:
        fill(raw, 10_000, clock.now_s() - 60)

        assert archive_one(redis_url, clock) is SettleOutcome.SETTLED

        assert raw.zcard(ARCHIVED) == 9_999
        assert raw.zscore(ARCHIVED, "failed") == clock.now_s()
        assert [raw.exists(f"asynq:{{default}}:t:old-0000{number}") for number in (0, 1, 2)] == [0, 0, 1]


def test_beyond_eight_thousand_trimmed_at_once_it_stops_half_way(redis_url: str) -> None:
    """G3: the hashes of the old ones are gone, their entries stay, and the task's hash still says active."""
    clock = VirtualClock()
    with redis.Redis.from_url(redis_url) as raw:
        fill(raw, 8_100, clock.now_s() - 91 * 86_400)

        assert archive_one(redis_url, clock) is SettleOutcome.INCONSISTENT

        assert raw.zcard(ARCHIVED) == 8_101
        assert raw.exists("asynq:{default}:t:old-00000") == 0
        assert raw.hget("asynq:{default}:t:failed", "state") == b"active"
        assert raw.exists("asynq:{default}:processed") == 0
