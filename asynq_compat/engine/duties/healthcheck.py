"""Who tells the user whether the broker answers?

Contract: pings every interval, first after one, and calls the user's function with None or the error. An error in it is logged.
Source: asynq v0.26.0 `healthcheck.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from asynq_compat.config import HealthCheckFunc
from asynq_compat.engine.service import Service
from asynq_compat.errors import AsynqError


class HealthChecker(Service):
    """Pings the broker."""

    def __init__(self, ping: Callable[[], None], tell: HealthCheckFunc, interval_s: float, log: logging.Logger) -> None:
        super().__init__("healthchecker", log, first_wait_s=interval_s)
        self._ping = ping
        self._tell = tell
        self._interval_s = interval_s

    def run_once(self) -> float:
        """Ping and tell."""
        outcome: AsynqError | None = None
        try:
            self._ping()
        except AsynqError as error:
            outcome = error
        try:
            self._tell(outcome)
        except BaseException:
            self.log.exception("health_check_func failed")
        return self._interval_s
