"""What do processes note that may be killed at any moment?

Contract: files of each process, JSON lines. A line is one write to a file opened for appending: a killed process has written it or not.
`durable` lines are on the disk when `note` returns. A line counts when it has ended, since who reads may see half of a write. In a worker process
it is another ledger of the same life.
Not obvious: no file becomes longer than what a process may write while the size of its files is limited (tests/services/disk.py).
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.services.disk import LIMIT_BYTES

KINDS = ("plain", "unique", "failing", "delayed", "kept", "refused")
# They leave nothing behind when they are done.
FLEETING = frozenset({"plain", "unique", "large"})
# What ends in the archive.
ARCHIVED = frozenset({"refused", "deadly", "deadly at once"})
RETENTION_S = 86_400

Line = dict[str, str | int]


class Ledger:
    """The files of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = itertools.count()
        self._turning = threading.Lock()  # Guards the next two.
        self._left_bytes = 0
        self._file = -1

    def __reduce__(self) -> tuple[Callable[[Path], Ledger], tuple[Path]]:
        return _in_worker_process, (self._path,)

    def note(self, *, durable: bool = False, **fields: str | int) -> None:
        """Append one line."""
        line = json.dumps(fields).encode() + b"\n"
        with self._turning:
            if len(line) > self._left_bytes:
                self._turn()
            self._left_bytes -= len(line)
            file = self._file
            os.write(file, line)
        if durable:
            os.fsync(file)

    def _turn(self) -> None:
        # The last file stays open: a thread may be about to sync it.
        path = self._path.with_name(f"{self._path.name}.{next(self._numbers)}.jsonl")
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._left_bytes = LIMIT_BYTES - os.fstat(self._file).st_size


def _in_worker_process(path: Path) -> Ledger:
    return Ledger(path.with_name(f"{path.name}.{os.getpid()}"))


def lines(folder: Path, pattern: str) -> Iterator[Line]:
    """Yield what was noted in the files that match."""
    for path in sorted(folder.glob(pattern)):
        ended, _, _ = path.read_bytes().rpartition(b"\n")
        yield from map(json.loads, ended.splitlines())
