"""Who hears that a task shall be cancelled?

Contract: one thread on one subscription; a broken one is made anew every 5 s until it stands. Ids that do not run here are ignored.
Source: asynq v0.26.0 `subscriber.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from asynq_compat.engine.service import Service
from asynq_compat.errors import AsynqError
from asynq_compat.ports.signalling import CancelationFeed, Signalling

_WHAT = "cannot subscribe to cancelation channel"
# Asynq's retry interval.
_RETRY_S = 5.0
# How long one call may block; nothing depends on it but how often an idle thread turns round.
_WAIT_S = 5.0


class Subscriber(Service):
    """Cancels the attempts whose ids are published."""

    def __init__(self, signalling: Signalling, cancel: Callable[[str], None], log: logging.Logger) -> None:
        super().__init__("subscriber", log)
        self._signalling = signalling
        self._cancel = cancel
        # Written by this service's thread; `interrupt` only closes what it finds.
        self._feed: CancelationFeed | None = None

    def run_once(self) -> float:
        """Subscribe if need be, wait for ids and cancel them."""
        try:
            feed = self._feed
            if feed is None:
                feed = self._feed = self._signalling.subscribe_cancelations()
                self.outages.over(_WHAT)
                if self.stopping.is_set():
                    return 0.0
            for task_id in feed.next(_WAIT_S):
                self._cancel(task_id)
        except AsynqError as error:
            self.outages.failed(_WHAT, error)
            self.finish()
            return _RETRY_S
        return 0.0

    def interrupt(self) -> None:
        """Make a blocked wait return."""
        feed = self._feed
        if feed is not None:
            feed.close()

    def finish(self) -> None:
        """Close the subscription."""
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()
