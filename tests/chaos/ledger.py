"""What do processes note that may be killed at any moment?

Contract: one file for each process, JSON lines. A line is one write to a file opened for appending: a killed process has written it or
not. `durable` lines are on the disk when `note` returns. A line counts when it has ended, since who reads may see half of a write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

KINDS = ("plain", "unique", "failing", "delayed", "kept", "refused")
# They leave nothing behind when they are done.
FLEETING = frozenset({"plain", "unique"})
RETENTION_S = 86_400


class Ledger:
    """The file of one process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def note(self, *, durable: bool = False, **fields: str | int) -> None:
        """Append one line."""
        os.write(self._file, json.dumps(fields).encode() + b"\n")
        if durable:
            os.fsync(self._file)


def lines(folder: Path, pattern: str) -> Iterator[dict[str, str | int]]:
    """Yield what was noted in the files that match."""
    for path in sorted(folder.glob(pattern)):
        ended, _, _ = path.read_bytes().rpartition(b"\n")
        yield from map(json.loads, ended.splitlines())
