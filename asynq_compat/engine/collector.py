"""How seldom does Python's collector look at what a server holds?

Contract: process-wide; thread-safe. While a server lives, the thresholds are higher, and what was alive at its start, a loaded backlog
above all, is frozen: no collection looks at it. The end of the last server thaws it. A program that has set its own thresholds, switched
the collector off or frozen something itself is left alone.
Not obvious: what is frozen is still freed when its last reference goes; only cycles of it wait for the thaw. So it is frozen once a
server, not again and again: what can wait is bounded by what was alive then (docs/adr/0015).
"""

from __future__ import annotations

import gc
import threading

# CPython's own first threshold is 700, or 2 000.
_DEFAULT_THRESHOLD_MAX = 2_000
_THRESHOLDS = 50_000, 20, 100

_lock = threading.Lock()  # Guards the next one, and what is frozen.
_holder_count = 0


class Collector:
    """One server's wish; made when the server begins to load, so that loading is spared too."""

    def __init__(self) -> None:
        self._holds = False
        if 0 < gc.get_threshold()[0] <= _DEFAULT_THRESHOLD_MAX:
            gc.set_threshold(*_THRESHOLDS)

    def freeze(self) -> None:
        """Freeze what is alive. Legal twice."""
        global _holder_count
        with _lock:
            is_free_to = gc.isenabled() and gc.get_threshold() == _THRESHOLDS
            is_others = gc.get_freeze_count() > 0 and not _holder_count
            if is_free_to and not is_others and not self._holds:
                gc.freeze()
                self._holds = True
                _holder_count += 1

    def thaw(self) -> None:
        """Let the collector look at everything again, unless another server's start froze it too. Legal twice."""
        global _holder_count
        with _lock:
            if self._holds:
                self._holds = False
                _holder_count -= 1
                if not _holder_count:
                    gc.unfreeze()
