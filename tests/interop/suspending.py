"""How is a process on a journal stopped by SIGSTOP, so that the others can go on?

Contract: not in the middle of writing to a file: until it goes on nobody could write.
"""

from __future__ import annotations

import os
import signal
import subprocess

import asynq_compat as asynq
from asynq_compat.journals.file_lock import FileLock


class Suspender:
    """Stops processes that work on the journal at one URL."""

    def __init__(self, url: str) -> None:
        self._file_lock = FileLock(f"{url.removeprefix('sqlite:///')}-lock") if url.startswith("sqlite:") else None

    def suspend(self, process: subprocess.Popen[bytes]) -> None:
        """Stop a child of ours until it gets SIGCONT."""
        while True:
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            if self._can_write():
                return
            process.send_signal(signal.SIGCONT)

    def _can_write(self) -> bool:
        if self._file_lock is None:
            return True
        try:
            with self._file_lock.held(1.0):
                return True
        except asynq.BrokerUnavailableError:
            return False

    def close(self) -> None:
        """Let go of the file's lock."""
        if self._file_lock is not None:
            self._file_lock.retire(1.0)
