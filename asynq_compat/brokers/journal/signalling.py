"""How does a cancellation travel over the control journal?

Contract: as `ports.signalling`. A feed hears what is applied after its subscription.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from asynq_compat.brokers.journal.partitions import TIMEOUT_S, Control, Partitions
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.ports.signalling import CancelationFeed
from asynq_compat.wire import command


class JournalSignalling:
    """The signalling port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def publish_cancelation(self, task_id: str) -> None:
        """Ask whoever runs the task to cancel it."""
        self._partitions.control.commit([command.cancel(task_id)], size_bytes=16 + len(task_id), needs_outcomes=False)

    def subscribe_cancelations(self) -> CancelationFeed:
        """Hear cancellations published from now on."""
        control = self._partitions.control
        control.replica.sync(timeout_s=TIMEOUT_S)
        return JournalFeed(control)


class JournalFeed:
    """A subscription: what the control journal's replica has applied since."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._after = control.replica.upto
        self._is_closed = False

    def next(self, wait_s: float) -> Sequence[str]:
        """Return ids of tasks to cancel; empty after `wait_s`, or after `close`."""
        replica = self._control.replica
        deadline = time.monotonic() + wait_s
        while not self._is_closed:
            with replica.lock:
                found = [(at, task_id) for at, task_id in self._control.state().cancelations if at > self._after]
            if found:
                self._after = found[-1][0]
                return [task_id for _, task_id in found]
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            replica.wait_beyond(self._after, lambda: self._is_closed, left_s)
            self._after = max(self._after, self._seen(replica.upto))
        if replica.failure is not None and not self._is_closed:
            raise BrokerUnavailableError(f"cancellations cannot be read at the moment: {replica.failure}")
        return []

    def _seen(self, upto: int) -> int:
        """Return `upto` if nothing of ours stands before it."""
        with self._control.replica.lock:
            return upto if all(at <= self._after for at, _ in self._control.state().cancelations) else self._after

    def close(self) -> None:
        """End the subscription."""
        self._is_closed = True
        self._control.replica.wake_waiters()
