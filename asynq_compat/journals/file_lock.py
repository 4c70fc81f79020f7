"""Which process may write to a file now?

Contract: `flock` on a file beside it: first come, first served among processes and threads, released by the kernel when its holder
dies. A wait ends after a limit, with the reason.
Not obvious: a blocking `flock` cannot be given a limit, and trying in turns is unfair. So a thread of its own stands in line when the lock
is taken; if the lock comes too late for the caller, that thread gives it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator

from asynq_compat.errors import BrokerUnavailableError, ServerStateError


class FileLock:
    """A lock that one thread of one process holds.

    Attributes:
        fd: The locked file, open for reading and writing as long as the lock is.
        thread_lock: Held by the thread of this process that has the lock or waits for it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.thread_lock = threading.Lock()
        self._line: _Line | None = None  # Guarded by `_thread_lock`.
        self._is_retired = False
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    @contextlib.contextmanager
    def held(self, timeout_s: float) -> Iterator[None]:
        """Hold it for the length of a `with` block.

        Raises:
            BrokerUnavailableError: It was not free within `timeout_s`; nothing was written.
            ServerStateError: It was retired.
        """
        if not self.thread_lock.acquire(timeout=timeout_s):
            raise self._not_free(timeout_s)
        try:
            if self._is_retired:
                raise ServerStateError(f"{self._path} is closed; open it anew")
            if not self._take(timeout_s):
                raise self._not_free(timeout_s)
            try:
                yield
            finally:
                fcntl.flock(self.fd, fcntl.LOCK_UN)
        finally:
            self.thread_lock.release()

    def _take(self, timeout_s: float) -> bool:
        if self._line is None or not self._line.is_waiting:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._line = self._line or _Line(self.fd)
            else:
                return True
        return self._line.came_within(timeout_s)

    def _not_free(self, timeout_s: float) -> BrokerUnavailableError:
        return BrokerUnavailableError(
            f"{self._path} was locked by another process for {timeout_s:g} s; look for one that is stopped or stuck while writing"
        )

    def retire(self, timeout_s: float) -> bool:
        """Let nobody take it any more; say whether nobody holds it now. If somebody does, its file stays open."""
        self._is_retired = True
        if not self.thread_lock.acquire(timeout=timeout_s):
            return False
        if self._line is None or self._line.stop():
            os.close(self.fd)
        self.thread_lock.release()
        return True


class _Line:
    """The thread that stands in line for the lock of `fd`, when asked."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._deciding = threading.Lock()  # Guards the next two.
        self.is_waiting = False
        self._is_late = False
        self._asked = threading.Semaphore(0)
        self._granted = threading.Lock()
        self._granted.acquire()
        self._is_stopped = False
        threading.Thread(target=self._run, name="asynq-file-lock", daemon=True).start()

    def came_within(self, timeout_s: float) -> bool:
        """Stand in line, or go on standing there; say whether the lock is ours now."""
        with self._deciding:
            self._is_late = False
            if not self.is_waiting:
                self.is_waiting = True
                self._asked.release()
        if self._granted.acquire(timeout=timeout_s):
            return True
        with self._deciding:
            if not self.is_waiting:
                return self._granted.acquire()
            self._is_late = True
            return False

    def stop(self) -> bool:
        """End the thread; say whether it has let go of the file."""
        with self._deciding:
            self._is_stopped = True
            self._asked.release()
            return not self.is_waiting

    def _run(self) -> None:
        while True:
            self._asked.acquire()
            if self._is_stopped:
                return
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            with self._deciding:
                self.is_waiting = False
                if self._is_late:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
                else:
                    self._granted.release()
