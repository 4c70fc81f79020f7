"""How does a test fill a disk, and free it again?

Contract: `SmallDisk` is a tmpfs of its own where one may be mounted. Where not, a limit on the size of files stands in: processes that
are named cannot make any file longer than that while the disk is "full". `kind` says which it is.
Not obvious: the limit is one of each process, for all its files: what a process has to write meanwhile must stay below `LIMIT_BYTES`.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

LIMIT_BYTES = 64 * 1024
_BLOCK = bytes(65_536)


class SmallDisk:
    """A folder whose disk can be filled.

    Args:
        folder: Made here.
        size_bytes: Of the file system.
        mounts: False does without a file system of its own.

    Attributes:
        kind: "tmpfs", or "a limit on the size of files" with the reason.
    """

    def __init__(self, folder: Path, size_bytes: int, *, mounts: bool = True) -> None:
        folder.mkdir()
        self.folder = folder
        self._ballast = folder / "ballast"
        self._limited: list[int] = []
        why_not = _mount(folder, size_bytes) if mounts else "not wanted"
        self._is_mounted = why_not is None
        self.kind = "tmpfs" if why_not is None else f"a limit on the size of files ({why_not})"

    def fill(self, pids: Iterable[int]) -> None:
        """Leave no room; `pids` are the processes that write there."""
        if not self._is_mounted:
            self._limited = list(pids)
            self._limit(LIMIT_BYTES)
            return
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while file.write(_BLOCK):
                pass

    def free(self) -> None:
        """Make room again."""
        if not self._is_mounted:
            self._limit(resource.RLIM_INFINITY)
            self._limited = []
        self._ballast.unlink(missing_ok=True)

    def _limit(self, size_bytes: int) -> None:
        for pid in self._limited:
            with contextlib.suppress(ProcessLookupError):
                _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes if most < 0 else min(size_bytes, most), most))

    def close(self) -> None:
        """Unmount it."""
        if self._is_mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


def _mount(folder: Path, size_bytes: int) -> str | None:
    """Return None, or why no file system could be mounted."""
    if (mount := shutil.which("mount")) is None:
        return "the command mount is missing"
    command = [mount, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()
