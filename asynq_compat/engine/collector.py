"""How seldom does Python's collector look at what a server holds?

Contract: process-wide; thread-safe. While a server lives, the thresholds are higher, and what was alive at its start, a loaded backlog
above all, is frozen: no collection looks at it. The end of the last server thaws it and puts the thresholds back. A program that has set
its own thresholds, switched the collector off or frozen something itself is left alone.
Not obvious: what is frozen is still freed when its last reference goes; only cycles of it wait for the thaw. So it is frozen once a
server, not again and again: what can wait is bounded by what was alive then (docs/adr/0015). What was thawed is old to Python, which looks at it
once in a long while: a program that starts one server after another would gather the remains of all. So a start behind an end
looks first, a few times a second at most.
"""

from __future__ import annotations

import gc
import threading
import time

# CPython's own first threshold is 700, or 2 000.
_DEFAULT_THRESHOLD_MAX = 2_000
_THRESHOLDS = 50_000, 20, 100
_LOOK_EVERY_S = 0.25

_lock = threading.Lock()  # Guards the rest, and what is frozen.
_live_count = 0
_holder_count = 0
_thresholds_before = _THRESHOLDS
_is_left = False  # Something of a server that has ended may be there.
_looked_s = 0.0


class Collector:
    """One server's wish; made when the server begins to load, so that loading is spared too."""

    def __init__(self) -> None:
        global _live_count, _thresholds_before
        self._holds = self._is_over = False
        if _has_to_look():
            gc.collect()
        with _lock:
            _live_count += 1
            if 0 < gc.get_threshold()[0] <= _DEFAULT_THRESHOLD_MAX:
                _thresholds_before = gc.get_threshold()
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
        global _live_count, _holder_count, _is_left
        with _lock:
            if self._holds:
                self._holds = False
                _holder_count -= 1
                _is_left = True
                if not _holder_count:
                    gc.unfreeze()
            if not self._is_over:
                self._is_over = True
                _live_count -= 1
                if not _live_count and gc.get_threshold() == _THRESHOLDS:
                    gc.set_threshold(*_thresholds_before)


def _has_to_look() -> bool:
    global _is_left, _looked_s
    with _lock:
        now_s = time.monotonic()
        if not _is_left or now_s - _looked_s < _LOOK_EVERY_S:
            return False
        _is_left, _looked_s = False, now_s
        return gc.isenabled()
