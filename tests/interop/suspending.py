"""How is a process on a journal stopped by SIGSTOP, so that the others can go on?

Contract: not in the middle of writing to a file: until it goes on nobody could write.
Not obvious: whoever holds the file's lock knows that the other does not. To stop a process first and look then is wrong: one that was in
the middle of writing gets no further when it is let go on for a moment, and all others wait as long as that is tried.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any

from asynq_compat.journals.file_lock import FileLock

_LOCK_WITHIN_S = 120.0


class Suspender:
    """Stops processes that work on the journal at one URL."""

    def __init__(self, url: str) -> None:
        self._file_lock = FileLock(f"{url.removeprefix('sqlite:///')}-lock") if url.startswith("sqlite:") else None

    def suspend(self, process: subprocess.Popen[Any]) -> None:
        """Stop a child of ours until it gets SIGCONT; nothing happens to one that has ended meanwhile."""
        with self._file_lock.held(_LOCK_WITHIN_S) if self._file_lock else contextlib.nullcontext():
            process.send_signal(signal.SIGSTOP)
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def close(self) -> None:
        """Let go of the file's lock."""
        if self._file_lock is not None:
            self._file_lock.retire(1.0)
