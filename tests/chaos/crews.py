"""Which processes run the handlers of a worker (`Config(processes=N)`), and do they go with it?"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_GONE_WITHIN_S = 60.0
_LOOK_S = 0.05


def worker_processes(server_pid: int) -> list[int]:
    """Return the pids of a server's worker processes; nothing for a server of one process."""
    named = f"asynq-worker-of-{server_pid}".encode()
    return sorted(pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if named in _arguments(pid))


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # It has ended meanwhile.
        return []


def left_of(server_pid: int) -> list[int]:
    """Return the worker processes that are still there a while after their server was killed."""
    pause, until_s = threading.Event(), time.monotonic() + _GONE_WITHIN_S
    while (left := worker_processes(server_pid)) and time.monotonic() < until_s:
        pause.wait(_LOOK_S)
    return left


def strike(pids: Sequence[int], number: signal.Signals) -> None:
    """Send them a signal; who has ended meanwhile needs none."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
