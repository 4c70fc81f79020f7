"""How does a cancellation reach the worker that runs the task?

Contract: best effort, as in Asynq: nobody may be listening. A cancellation names a task id only, no queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class CancelationFeed(Protocol):
    """A subscription. Used by one thread; `close` may come from another."""

    def next(self, wait_s: float) -> Sequence[str]:
        """Return ids of tasks to cancel, in order; empty after `wait_s` without any, or after `close`.

        Raises:
            BrokerUnavailableError: The feed is broken: close it and subscribe again.
        """

    def close(self) -> None:
        """End the subscription; a blocked `next` returns. Legal twice."""


class Signalling(Protocol):
    """What inspector and subscriber ask of a broker. Thread-safe."""

    def publish_cancelation(self, task_id: str) -> None:
        """Ask whoever runs the task to cancel it. No receiver is no error."""

    def subscribe_cancelations(self) -> CancelationFeed:
        """Hear cancellations published from now on; the subscription stands when this returns."""
