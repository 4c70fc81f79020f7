"""How does a process hear that another one has appended to a file?

Contract: `tell` counts up a slot of a file beside it; a `Listener` on that slot wakes for it, in whatever process. It may wake
for nothing; a writer that died before it told is heard of by nobody, so a listener looks by itself from time to time.
Not obvious: who looks, and only then waits, misses nothing: a wait returns at once if the slot has changed since the last one. On Linux
inotify wakes the listener (docs/adr/0002-sqlite-wake-up.md); elsewhere, and where inotify has no instance left, it reads the slot every
2 ms, at about 2 % of a core. inotify tells of every slot: a listener that is woken again and again for others' looks less often.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import sys
import time

_SLOT_BYTES = 8
_SLOT_COUNT = 512
_POLL_S = 0.002
_IN_MODIFY = 0x2
# So many wakes for others, each as soon after the last, begin a rest, which grows while they go on.
_IN_VAIN_MIN, _SOON_S = 5, 0.005
_REST_S_MIN, _REST_S_MAX = 0.002, 0.016

_log = logging.getLogger("asynq_compat")


def _offset(slot: int) -> int:
    return slot % _SLOT_COUNT * _SLOT_BYTES


def tell(fd: int, slot: int) -> None:
    """Count a slot of the open file `fd` up: its listeners wake. One caller at a time among all processes."""
    count = int.from_bytes(os.pread(fd, _SLOT_BYTES, _offset(slot)), "little")
    os.pwrite(fd, (count + 1).to_bytes(_SLOT_BYTES, "little"), _offset(slot))


class Listener:
    """Waits for a slot to change. One thread waits; any may interrupt.

    Args:
        path: The file, which exists.
        slot: Which slot. Slots share their place in the file when there are many: then it wakes for both.
    """

    def __init__(self, path: str, slot: int) -> None:
        self._path = path
        self._offset = _offset(slot)
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._inotify: int | None = None
        self._woken, self._wake = _pipe()
        self._poll: select.poll | None = None  # Made by the first wait.
        self._interrupts = select.poll()
        self._interrupts.register(self._woken, select.POLLIN)
        self._seen = self._seen_awake = self._slot()
        self._woken_at_s = self._rest_s = 0.0
        self._in_vain = 0

    def wait(self, timeout_s: float) -> bool:
        """Return when the slot has changed since the last wait, was interrupted, or after `timeout_s`; True if interrupted."""
        deadline = time.monotonic() + timeout_s
        poll = self._poll or self._make_poll()
        while True:
            if self._slot() == self._seen:
                left_s = max(deadline - time.monotonic(), 0.0)
                poll.poll((left_s if self._inotify is not None else min(left_s, _POLL_S)) * 1000)
            if self._drain(self._woken):
                return True
            is_woken = self._inotify is not None and self._drain(self._inotify)
            # The slot is read after the events are gone: a later change makes a new event.
            seen, self._seen = self._seen, self._slot()
            now_s = time.monotonic()
            if is_woken:
                self._note(now_s)
            if seen != self._seen or now_s >= deadline:
                return False
            if self._rest_s:
                self._interrupts.poll(min(self._rest_s, deadline - now_s) * 1000)

    def _note(self, now_s: float) -> None:
        """Note whose the change was that woke us, and whether to rest before the next."""
        is_ours = self._seen != self._seen_awake
        is_soon = now_s - self._woken_at_s < _SOON_S + self._rest_s
        self._seen_awake, self._woken_at_s = self._seen, now_s
        self._in_vain = self._in_vain + 1 if is_soon and not is_ours else 0
        longer_s = min(max(2 * self._rest_s, _REST_S_MIN), _REST_S_MAX)
        self._rest_s = longer_s if self._in_vain >= _IN_VAIN_MIN else 0.0

    def has_news(self) -> bool:
        """Return whether the slot has changed since the last wait ended, or was looked at."""
        return self._slot() != self._seen

    def look(self) -> None:
        """Note the slot: who waits from now on, waits for the next change."""
        self._seen = self._slot()

    def _make_poll(self) -> select.poll:
        self._inotify = _open_inotify(self._path)
        self._poll = select.poll()
        for fd in (self._inotify, self._woken):
            if fd is not None:
                self._poll.register(fd, select.POLLIN)
        return self._poll

    def interrupt(self) -> None:
        """Let the waiting thread, or else the next wait, return."""
        with contextlib.suppress(BlockingIOError):  # The pipe is full of interrupts.
            os.write(self._wake, b"!")

    def close(self) -> None:
        """Close its files. Nobody may wait on it any more."""
        for fd in (self._file, self._inotify, self._woken, self._wake):
            if fd is not None:
                os.close(fd)

    def _slot(self) -> bytes:
        return os.pread(self._file, _SLOT_BYTES, self._offset)

    @staticmethod
    def _drain(fd: int) -> bool:
        try:
            return bool(os.read(fd, 65_536))
        except BlockingIOError:
            return False


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return reading, writing


def _open_inotify(path: str) -> int | None:
    """Return a non-blocking descriptor that becomes readable when the file is written to; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(path), _IN_MODIFY) >= 0:
        return fd
    reason = os.strerror(ctypes.get_errno())
    if fd >= 0:
        os.close(fd)
    _log.warning(
        "inotify is not available, the file is polled every 2 ms instead; raise fs.inotify.max_user_instances or max_user_watches",
        extra={"path": path, "reason": reason},
    )
    return None
