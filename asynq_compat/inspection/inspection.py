"""On what does every question of an inspector stand?

Contract: the broker it asks, opened or passed in open, and its end. Legal to close twice.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from asynq_compat.connect import BrokerTarget, check_not_shared, open_broker, redis_client_opt
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.clock import Clock


class Inspection:
    """An open broker that is looked at."""

    def __init__(self, target: BrokerTarget = None, *, clock: Clock | None = None) -> None:
        self._is_owner = not isinstance(target, Broker)
        self._broker = open_broker(target, clock=clock)
        self._is_shared = False
        self._is_closed = False

    @classmethod
    def from_redis_client(cls, redis_client: object, *, clock: Clock | None = None) -> Self:
        """Make an inspector of the Redis of a client of redis-py (Go: NewInspectorFromRedisClient); as `Client.from_redis_client`."""
        made = cls(redis_client_opt(redis_client), clock=clock)
        made._is_shared = True
        return made

    def close(self) -> None:
        """Let go of the broker, unless it was passed in open. Legal twice.

        Raises:
            ServerStateError: It was made by `from_redis_client`; ``with`` lets go of it all the same.
        """
        check_not_shared(self._broker, "Inspector", is_shared=self._is_shared)
        self._let_go()

    def _let_go(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._is_owner:
                self._broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._let_go()
