"""How far has a replica come, and who waits for it?

Contract: thread-safe. The replica's thread tells what it has reached and what is in its way; any thread may wait for a position.
Not obvious: what one read brings can take many seconds: an entry of a few bytes changes ten thousand tasks. So each entry counts as progress,
long before all of them have been reached.
"""

from __future__ import annotations

import logging
import threading
import time

from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, ServerStateError
from asynq_compat.journals.journal import BEFORE_THE_FIRST

_LOG = logging.getLogger("asynq_compat.journal")

# How often a long wait for a cold replica is told.
_TELL_EVERY_S = 2.0


class Progress:
    """The progress of one replica through the journal `name`.

    Attributes:
        applied_count: Entries applied, also those that are not reached yet; only the replica's thread writes it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._moved = threading.Condition(
            threading.Lock()
        )  # Guards all below; the replica's thread alone writes `upto`.
        self.upto = BEFORE_THE_FIRST
        self.applied_count = 0
        self.failure: AsynqError | None = None
        self.is_stopped = False
        self._loaded_bytes = 0

    def reached(self, position: int) -> None:
        """Everything up to a position has been applied."""
        if position != self.upto:
            with self._moved:
                self.upto = position
                self._loaded_bytes = 0
                self._moved.notify_all()

    def loaded(self, size_bytes: int) -> None:
        """So much of a checkpoint has been read.

        Raises:
            ServerStateError: Stopped meanwhile.
        """
        with self._moved:
            if self.is_stopped:
                raise ServerStateError(f"the connection to {self._name} is closed")
            self._loaded_bytes = size_bytes
            self._moved.notify_all()

    def failed(self, failure: AsynqError) -> None:
        """Something is in the way."""
        if type(failure) is not type(self.failure):
            _LOG.warning("cannot follow %s: %s", self._name, failure)
        with self._moved:
            self.failure = failure
            self._moved.notify_all()

    def goes_on(self) -> None:
        """Nothing is in the way any more."""
        if self.failure is not None:
            _LOG.info("following %s again", self._name)
            with self._moved:
                self.failure = None

    def stop(self) -> None:
        """Nobody gets any further."""
        with self._moved:
            self.is_stopped = True
            self._moved.notify_all()

    def pause(self, pause_s: float) -> None:
        """Wait, unless stopped."""
        deadline = time.monotonic() + pause_s
        with self._moved:
            while not self.is_stopped and (left_s := deadline - time.monotonic()) > 0:
                self._moved.wait(left_s)

    def wait_for(self, position: int, timeout_s: float) -> None:
        """Wait until everything up to `position` has been applied; `timeout_s` is the longest time without progress.

        Raises:
            BrokerUnavailableError: The journal does not answer, or was closed.
            CorruptDataError: It cannot be folded.
        """
        moved_at_s = told_at_s = time.monotonic()
        with self._moved:
            while self.upto < position:
                before = self._so_far()
                if self.is_stopped:
                    raise BrokerUnavailableError(f"the connection to {self._name} is closed")
                if isinstance(self.failure, CorruptDataError):
                    raise self.failure
                self._moved.wait(min(timeout_s, _TELL_EVERY_S))
                now_s = time.monotonic()
                if self._so_far() != before:
                    moved_at_s = now_s
                elif now_s - moved_at_s >= timeout_s:
                    cause = f": {self.failure}" if self.failure else ""
                    raise BrokerUnavailableError(f"{self._name} gave no entries within {timeout_s:g} s{cause}")
                if now_s - told_at_s >= _TELL_EVERY_S:
                    told_at_s = now_s
                    if self._loaded_bytes:
                        _LOG.info("reading %s: %d bytes of its checkpoint", self._name, self._loaded_bytes)
                    else:
                        _LOG.info("reading %s: entry %d of %d", self._name, self.upto, position)

    def _so_far(self) -> tuple[int, int, int]:
        return self.upto, self._loaded_bytes, self.applied_count
