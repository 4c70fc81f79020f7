"""Where do the messages of a long backlog stay, so that they are not in memory?

Contract: as `machine.containers.attic`. They stand in temporary files without a name, in the folder for such files (TMPDIR), and vanish with the last
segment that needs them, or with the process. Any thread may look. Where a file cannot be written the messages stay in memory, and a
warning says so once.
Not obvious: nothing is freed piece by piece. A file takes so much and no more; when all that stood in it is done, it is closed.
"""

from __future__ import annotations

import errno
import logging
import os
import tempfile
import weakref
from array import array
from itertools import accumulate
from typing import overload

from asynq_compat.brokers.journal.following.same_log import FoldLostError

_LOG = logging.getLogger("asynq_compat.journal")

FILE_BYTES_MAX = 64 * 1024 * 1024
# What is smaller costs more to put aside than it takes.
_BYTES_MIN = 4 * 1024


class _File:
    """One file, closed with the last who holds it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="asynq-", buffering=0)  # noqa: SIM115 - open as long as its messages are
        self.size_bytes = 0
        weakref.finalize(self, self._file.close)

    def append(self, data: bytes) -> int:
        """Write behind all that is there; return the place."""
        place = self.size_bytes
        written = 0
        while written < len(data):
            written += os.pwrite(self._file.fileno(), data[written:], place + written)
        self.size_bytes = place + len(data)
        return place

    def read(self, place: int, size: int) -> bytes:
        """Return what was written there.

        Raises:
            FoldLostError: It is not there any more, or the disk does not give it.
        """
        try:
            data = os.pread(self._file.fileno(), size, place)
        except OSError as error:
            raise FoldLostError(f"messages in a temporary file cannot be read: {error.strerror}") from error
        if len(data) != size:
            raise FoldLostError(f"messages in a temporary file are gone: {len(data)} of {size} bytes are there")
        return data


class SpilledMessages:
    """Messages one behind the other in a file."""

    __slots__ = ("_ends", "_file", "_place")

    def __init__(self, file: _File, place: int, ends: array[int]) -> None:
        self._file = file
        self._place = place
        self._ends = ends  # Of each message, from `place` on.

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice[int, int, None]) -> list[bytes]: ...
    def __getitem__(self, place: int | slice[int, int, None]) -> bytes | list[bytes]:
        """Read one, or neighbours."""
        if isinstance(place, int):
            (one,) = self[place : place + 1]
            return one
        lo, hi, _ = place.indices(len(self._ends))
        if lo >= hi:
            return []
        ends = self._ends
        begin = ends[lo - 1] if lo else 0
        data = self._file.read(self._place + begin, ends[hi - 1] - begin)
        if hi - lo == 1:
            return [data]
        found = []
        start = 0
        for end in ends[lo:hi]:
            found.append(data[start : end - begin])
            start = end - begin
        return found


class Spill:
    """The temporary files of one machine."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._file: _File | None = None
        self._has_failed = False

    def put(self, messages: list[bytes]) -> SpilledMessages | None:
        """Write messages to a file; return what stands for them, None where they have to stay."""
        if self._has_failed:
            return None
        data = b"".join(messages)
        if len(data) < _BYTES_MIN:
            return None
        try:
            if self._file is None or self._file.size_bytes + len(data) > FILE_BYTES_MAX:
                self._file = _File()
            place = self._file.append(data)
        except OSError as error:
            self._has_failed = True
            _LOG.warning(
                "messages of %s stay in memory: %s has no room for a temporary file (%s); name another folder in TMPDIR",
                self._name,
                tempfile.gettempdir(),
                errno.errorcode.get(error.errno or 0, error.strerror),
            )
            return None
        return SpilledMessages(self._file, place, array("I", accumulate(map(len, messages))))
