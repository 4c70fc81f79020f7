"""How does a test run a Python server in a process of its own?

Contract: `WorkerProcess` starts tests/interop/worker.py and collects what it tells. It is held by its pid; as a context manager it is always
ended.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
_STOP_TIMEOUT_S = 30.0


class WorkerProcess:
    """A running worker."""

    def __init__(self, url: str, *, concurrency: int = 10) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.interop.worker", url, str(concurrency)], cwd=ROOT, stdout=subprocess.PIPE
        )
        self._lock = threading.Lock()  # Guards _events.
        self._events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, name=f"worker-{self._process.pid}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._lock:
                self._events.append(json.loads(line))

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the events of one kind so far, in order."""
        with self._lock:
            return [one for one in self._events if one["event"] == event]

    def kill(self) -> None:
        """End it by SIGKILL and read what it has told."""
        self._process.kill()
        self._end()

    def suspend(self) -> None:
        """Stop it by SIGSTOP: it does not notice."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it by SIGTERM: it finishes what it runs."""
        self._process.terminate()
        self._end()

    def _end(self) -> None:
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._reader.join(_STOP_TIMEOUT_S)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
