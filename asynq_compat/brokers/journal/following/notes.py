"""Which of the machine's notes reach the log, and how often?

Contract: owned by a replica's thread. Of every ten seconds the first few notes are written as they are; the others are counted, and
told in one line when the time is over: a producer of nonsense fills no disk, and nothing is passed over in silence.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

_LOG = logging.getLogger("asynq_compat.journal")

PERIOD_S = 10.0
WRITTEN_MAX = 10


class Notes:
    """The notes of one journal.

    Args:
        name: The journal.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._ends_s = 0.0
        self._written = 0
        self._held = 0
        self._last = ""

    def tell(self, position: int, notes: Sequence[str], now_s: float) -> None:
        """Write what an entry gave rise to, or hold it back."""
        self.pass_time(now_s)
        for note in notes:
            if self._written < WRITTEN_MAX:
                if not self._written:
                    self._ends_s = now_s + PERIOD_S
                self._written += 1
                _LOG.warning("%s, position %d: %s", self._name, position, note)
            else:
                self._held += 1
                self._last = note

    def pass_time(self, now_s: float) -> None:
        """Tell what was held back, when it is time."""
        if self._written and now_s >= self._ends_s:
            if self._held:
                _LOG.warning(
                    "%s: %d more such lines in %d s, the last: %s", self._name, self._held, int(PERIOD_S), self._last
                )
            self._written = self._held = 0
