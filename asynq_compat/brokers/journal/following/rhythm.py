"""Does a replica read on at once, or let some entries gather first?

Contract: owned by one thread. Each read costs as much as many entries; where one comes right behind another for a while, a short pause
lets the next read bring several. An idle journal's entry is read the moment it comes.
Not obvious: a pause behind which a single entry waits was in vain, as where somebody waits for each answer before he goes on: then all
begins anew.
"""

from __future__ import annotations

import time

from asynq_compat.journals.journal import Batch, Journal

_PAUSE_S = 0.002
# A read that has waited no longer than this came right behind the last.
_SOON_S = 0.002
_IN_A_ROW_MIN = 5
# So many are worth a read.
_MANY = 64


class Rhythm:
    """Watches the reads of one replica.

    Attributes:
        pause_s: How long to wait before the next read.
    """

    def __init__(self) -> None:
        self.pause_s = 0.0
        self._in_a_row = 0

    def read(self, journal: Journal, after: int, wait_s: float) -> Batch:
        """Read, and note how it went."""
        began_s = time.monotonic()
        batch = journal.read(after, wait_s=wait_s)
        self.note(time.monotonic() - began_s, len(batch.entries))
        return batch

    def note(self, waited_s: float, entry_count: int) -> None:
        """Note a read that waited so long and brought so many entries."""
        was_in_vain = self.pause_s > 0 and entry_count <= 1
        is_soon = waited_s < _SOON_S and 0 < entry_count < _MANY
        self._in_a_row = self._in_a_row + 1 if is_soon and not was_in_vain else 0
        self.pause_s = _PAUSE_S if self._in_a_row >= _IN_A_ROW_MIN else 0.0
