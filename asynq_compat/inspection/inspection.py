"""On what does every question of an inspector stand?

Contract: the broker it asks, opened or passed in open, and its end. Legal to close twice.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from asynq_compat.connect import BrokerTarget, open_broker
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.clock import Clock


class Inspection:
    """An open broker that is looked at."""

    def __init__(self, target: BrokerTarget = None, *, clock: Clock | None = None) -> None:
        self._is_owner = not isinstance(target, Broker)
        self._broker = open_broker(target, clock=clock)
        self._is_closed = False

    def close(self) -> None:
        """Let go of the broker, unless it was passed in open. Legal twice."""
        if not self._is_closed:
            self._is_closed = True
            if self._is_owner:
                self._broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
