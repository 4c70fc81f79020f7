"""How does a cancellation travel over the control journal?

Contract: as `ports.signalling`. A feed hears what stands behind the journal's end at its subscription, from the thread of the control
journal's replica.
Not obvious: it listens before it asks where the end is. What is published while it waits for the replica, which takes long when a server
has just started, would be lost otherwise.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Control
from asynq_compat.brokers.journal.following.listening import AnyApplied
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.errors import AsynqError, BrokerUnavailableError
from asynq_compat.machine.control import ControlApplied
from asynq_compat.ports.signalling import CancelationFeed
from asynq_compat.wire import command

# A subscriber that sleeps through more than this misses the oldest (best effort, as in Asynq).
_WAITING_COUNT_MAX = 10_000


class JournalSignalling:
    """The signalling port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def publish_cancelation(self, task_id: str) -> None:
        """Ask whoever runs the task to cancel it."""
        if not task_id:  # No task has this id, and no command may name it.
            return
        self._partitions.control.commit([command.cancel(task_id)], size_bytes=16 + len(task_id), needs_outcomes=False)

    def subscribe_cancelations(self) -> CancelationFeed:
        """Hear cancellations published from now on."""
        feed = JournalFeed(self._partitions.control)
        try:
            feed.begin()
        except AsynqError:
            feed.close()
            raise
        return feed


class JournalFeed:
    """A subscription."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._heard = threading.Condition()  # Guards the two below.
        self._waiting: deque[tuple[int, str]] = deque(maxlen=_WAITING_COUNT_MAX)  # With the position in the journal.
        self._is_closed = False
        control.replica.listen(self)

    def begin(self) -> None:
        """Forget what was published before this call; raises as `Replica.sync`."""
        upto = self._control.journal.end()
        self._control.replica.sync(timeout_s=TIMEOUT_S)
        self._check_failure()
        with self._heard:
            while self._waiting and self._waiting[0][0] <= upto:
                self._waiting.popleft()

    def next(self, wait_s: float) -> Sequence[str]:
        """Return ids of tasks to cancel; empty after `wait_s`, or after `close`."""
        with self._heard:
            self._heard.wait_for(lambda: self._waiting or self._is_closed, wait_s)
            task_ids = [task_id for _, task_id in self._waiting]
            self._waiting.clear()
            if self._is_closed:
                return []
        if not task_ids:
            self._check_failure()
        return task_ids

    def _check_failure(self) -> None:
        failure = self._control.replica.failure
        if failure is not None:
            raise BrokerUnavailableError(f"cancellations cannot be read at the moment: {failure}")

    def on_applied(self, applied: AnyApplied, now_s: float) -> None:  # noqa: ARG002 - a listener's
        """Hear of one entry."""
        if isinstance(applied, ControlApplied) and applied.cancelled:
            with self._heard:
                self._waiting.extend((applied.position, task_id) for task_id in applied.cancelled)
                self._heard.notify_all()

    def on_rebuilt(self) -> None:
        """Nothing that waits here depends on the log."""

    def close(self) -> None:
        """End the subscription."""
        self._control.replica.unlisten(self)
        with self._heard:
            self._is_closed = True
            self._heard.notify_all()
