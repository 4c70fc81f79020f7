"""On what does every question of an inspector stand?

Contract: the broker it asks, opened or passed in open, and its end. Legal to close twice.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from asynq_compat.connect import BrokerTarget, HeldBroker, redis_client_opt
from asynq_compat.rules.clock import Clock


class Inspection:
    """An open broker that is looked at."""

    def __init__(self, target: BrokerTarget = None, *, clock: Clock | None = None) -> None:
        self._held = HeldBroker(target, "Inspector", clock=clock)
        self._broker = self._held.broker

    @classmethod
    def from_redis_client(cls, redis_client: object, *, clock: Clock | None = None) -> Self:
        """Make an inspector of the Redis of a client of redis-py (Go: NewInspectorFromRedisClient); as `Client.from_redis_client`."""
        made = cls(redis_client_opt(redis_client), clock=clock)
        made._held.is_shared = True
        return made

    def close(self) -> None:
        """Let go of the broker, unless it was passed in open. Legal twice.

        Raises:
            ServerStateError: It was made by `from_redis_client`; ``with`` lets go of it all the same.
        """
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.let_go()
