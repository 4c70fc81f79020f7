"""Do cancellations travel through Redis as Asynq sends them?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from asynq_compat.brokers.redis import signalling
from asynq_compat.brokers.redis.open import RedisSettings
from asynq_compat.errors import BrokerUnavailableError
from tests.interop.redis_tools import broker_at, settings_of
from tests.services.redis import RedisServer

pytestmark = pytest.mark.redis


def test_a_cancellation_is_heard_in_order_from_anybody(redis_url: str) -> None:
    with broker_at(settings_of(redis_url)) as broker, redis.Redis.from_url(redis_url) as raw:
        feed = broker.signalling.subscribe_cancelations()
        raw.publish("asynq:cancel", "first")
        broker.signalling.publish_cancelation("second")
        heard: list[str] = []
        while len(heard) < 2:
            heard += feed.next(5)
        quiet = feed.next(0)
        feed.close()

        assert heard == ["first", "second"]
        assert quiet == []


def test_close_ends_a_blocked_next(redis_url: str) -> None:
    with broker_at(settings_of(redis_url)) as broker, ThreadPoolExecutor(1) as pool:
        feed = broker.signalling.subscribe_cancelations()
        waiting = pool.submit(feed.next, 60)
        feed.close()
        feed.close()

        assert not waiting.result(30)
        assert not feed.next(0)


def test_a_broken_feed_raises_and_a_new_one_hears() -> None:
    server = RedisServer()
    try:
        with broker_at(RedisSettings(addr=server.addr)) as broker:
            feed = broker.signalling.subscribe_cancelations()
            server.restart()
            with pytest.raises(BrokerUnavailableError, match="subscribe again"):
                feed.next(30)
            feed.close()
            feed = broker.signalling.subscribe_cancelations()
            broker.signalling.publish_cancelation("after")

            assert feed.next(30) == ["after"]
            feed.close()
    finally:
        server.stop()


def test_a_subscription_that_goes_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis, or the way to it, hangs: no answer to a ping, and no error either."""
    monkeypatch.setattr(signalling, "_PING_AFTER_S", 0.1)
    server = RedisServer()
    try:
        with broker_at(RedisSettings(addr=server.addr)) as broker:
            feed = broker.signalling.subscribe_cancelations()
            server.pause()

            with pytest.raises(BrokerUnavailableError, match="to a ping"):
                feed.next(60)

            server.resume()
            feed.close()
    finally:
        server.stop()
