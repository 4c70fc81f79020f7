"""How much CPU time has a process used so far, and which of its threads?

Contract: reads /proc (Linux); threads and ended children that were waited for count.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int | None) -> float:
    """Return user and system seconds of `pid` and its ended children; 0 for no process."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def own_cpu_s() -> float:
    """Return those of this process, to the microsecond."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def stages_s() -> dict[str, float]:
    """CPU seconds of each duty's threads so far: a server has one thread a duty, but for its workers."""
    spent: dict[str, float] = {}
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.main_thread():
            duty = "kafka" if not thread.name.startswith("asynq-") else thread.name.split("-")[1]
            spent[duty] = spent.get(duty, 0.0) + time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return spent
