"""How do many threads' enqueues become one batch?

Contract: thread-safe, and has no thread of its own: whoever comes first sends what is waiting, what comes meanwhile forms the next batch.
Not obvious: nobody waits for company. An idle caller's task is sent at once, alone; batches grow by themselves as the load does.
"""

from __future__ import annotations

import os
import threading
from collections import deque

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, Producing

# What one call carries at most: larger batches make the first caller wait without making the broker quicker.
BATCH_MAX = 1_000


class _Waiting:
    """One caller's request; `turn` is released when it has its outcome or has to send the next batch."""

    __slots__ = ("error", "is_leader", "outcome", "request", "turn")

    def __init__(self, request: EnqueueRequest) -> None:
        self.request = request
        self.outcome: EnqueueOutcome | None = None
        self.error: BaseException | None = None
        self.is_leader = False
        self.turn: threading.Lock | None = None


class Enqueuer:
    """Puts the enqueues of many threads together."""

    def __init__(self, producing: Producing) -> None:
        self._producing = producing
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()  # Guarded by _lock.
        self._is_sending = False  # Guarded by _lock.
        self._pid = os.getpid()

    def enqueue(self, request: EnqueueRequest) -> EnqueueOutcome:
        """Store the request, together with those of other threads; return its outcome.

        Raises:
            BrokerUnavailableError: No answer for the batch it was in.
        """
        if os.getpid() != self._pid:
            self._begin()  # A forked child: whoever was sending is not here.
        mine = _Waiting(request)
        with self._lock:
            self._waiting.append(mine)
            if self._is_sending:
                mine.turn = threading.Lock()
                mine.turn.acquire()
            else:
                self._is_sending = mine.is_leader = True
        if mine.turn is not None:
            try:
                mine.turn.acquire()
            except BaseException:  # Ctrl-C on the main thread
                self._leave(mine)
                raise
        if mine.is_leader:
            self._send()
        if mine.error is not None:
            raise mine.error
        assert mine.outcome is not None
        return mine.outcome

    def _send(self) -> None:
        """Send what is waiting, the caller's own request at its head, and pass the lead on."""
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
        try:
            outcomes = self._producing.enqueue([waiting.request for waiting in batch])
            for waiting, outcome in zip(batch, outcomes, strict=True):
                waiting.outcome = outcome
        except BaseException as error:
            for waiting in batch:
                waiting.error = error if isinstance(error, Exception) else _interrupted(error)
            if not isinstance(error, Exception):
                raise  # Ctrl-C is this thread's alone.
        finally:
            self._pass_on()
            for waiting in batch:
                if waiting.turn is not None:
                    waiting.turn.release()

    def _leave(self, mine: _Waiting) -> None:
        """A caller goes without waiting for its outcome: it may not keep a request or the lead."""
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.is_leader:
                return
        if mine.is_leader:
            self._pass_on()

    def _pass_on(self) -> None:
        with self._lock:
            if not self._waiting:
                self._is_sending = False
                return
            successor = self._waiting[0]
            successor.is_leader = True
        assert successor.turn is not None
        successor.turn.release()


def _interrupted(cause: BaseException) -> BrokerUnavailableError:
    """Return what the others of a batch are told when the thread that was sending it was interrupted."""
    error = BrokerUnavailableError(
        "the thread that sent this task together with its own was interrupted; the task may or may not be queued",
        may_have_happened=True,
    )
    error.__cause__ = cause
    return error
