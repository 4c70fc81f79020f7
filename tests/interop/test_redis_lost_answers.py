"""What does a lost answer mean on Redis? docs/semantics.md, "Lost answers on Redis", row by row; what is sent again at once: test_redis_outages.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import redis

import asynq_compat as asynq
from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.testing.clock import VirtualClock
from tests.interop.redis_tools import broker_at, request, settings_of
from tests.services.ports import HOST
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer

ORDER = QueueOrder(weights={"default": 1})
# Go's rule: a lease of 30 s, and 30 s more.
COMES_BACK_AFTER_S = 61


@pytest.fixture
def network(redis_server: RedisServer) -> Iterator[Proxy]:
    """A way to Redis that can lose answers."""
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.close()


def _by_way_of(network: Proxy, redis_url: str) -> RedisSettings:
    return dataclasses.replace(settings_of(redis_url), addr=f"{HOST}:{network.port}", read_timeout_s=1.0)


@pytest.mark.redis
def test_an_enqueue_that_gets_no_answer_may_have_happened(redis_url: str, network: Proxy) -> None:
    """Enqueued again under its id, it is stored once, and the id says so."""
    with broker_at(_by_way_of(network, redis_url)) as broker, asynq.Client(broker) as client:
        client.enqueue(asynq.Task("mail"), task_id="known")
        network.lose_answers()
        with pytest.raises(BrokerUnavailableError) as lost:
            client.enqueue(asynq.Task("mail"), task_id="mine")
        network.heal()

        assert lost.value.may_have_happened
        with pytest.raises(asynq.TaskIDConflictError):
            client.enqueue(asynq.Task("mail"), task_id="mine")
        with redis.Redis.from_url(redis_url) as raw:
            assert raw.lrange("asynq:{default}:pending", 0, -1) == [b"mine", b"known"]


@pytest.mark.redis
def test_what_was_taken_when_the_answer_was_lost_comes_back_as_from_a_dead_worker(
    redis_url: str, network: Proxy
) -> None:
    """Nobody began it, and it counts as an attempt all the same: Redis knows no more than that it was given out."""
    clock = VirtualClock()
    broker = open_redis(_by_way_of(network, redis_url), clock)
    try:
        intake = broker.consuming.open_intake(ORDER, 10, "s")
        broker.producing.enqueue([request("before")])
        (before,) = intake.take(5)  # So that Redis knows the script, whose name alone is sent.
        intake.settle([before], 1)
        assert broker.producing.enqueue([request("ghost")]) == [EnqueueStatus.ENQUEUED]
        network.lose_answers()
        with pytest.raises(BrokerUnavailableError):
            intake.take(0.1)
        network.heal()
        with redis.Redis.from_url(redis_url) as raw:
            assert raw.lrange("asynq:{default}:active", 0, -1) == [b"ghost"]

        clock.advance_s(COMES_BACK_AFTER_S - 2)
        assert broker.maintaining.expired_leases(["default"]) == []
        clock.advance_s(2)
        (lease,) = broker.maintaining.expired_leases(["default"])
        outcomes = broker.maintaining.settle_expired([Settlement(lease, SettleKind.RETRY, delay_s=0.0, error_msg="x")])
        clock.advance_s(1)
        broker.maintaining.forward_due(["default"])
        (again,) = intake.take(5)
        intake.close()

        assert list(outcomes) == [SettleOutcome.SETTLED]
        assert again.task_id == "ghost"
    finally:
        broker.close()


@pytest.mark.redis
def test_a_settlement_that_gets_no_answer_is_tried_again_and_counted_once(redis_url: str, network: Proxy) -> None:
    with broker_at(_by_way_of(network, redis_url)) as broker:
        intake = broker.consuming.open_intake(ORDER, 10, "s")
        broker.producing.enqueue([request("a")])
        leases = intake.take(5)
        done = [Settlement(lease, SettleKind.DONE) for lease in leases]
        network.lose_answers()
        with pytest.raises(BrokerUnavailableError):
            intake.settle(done, 1)
        network.heal()
        (outcome,) = intake.settle(done, 0)
        intake.close()

        stats = broker.inspecting.queue_stats("default")
        assert outcome in {SettleOutcome.SETTLED, SettleOutcome.NOT_HELD}
        assert stats is not None
        assert (stats.size, stats.processed) == (0, 1)
