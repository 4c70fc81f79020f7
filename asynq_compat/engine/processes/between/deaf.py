"""Which signals does a worker process leave to its server?"""

from __future__ import annotations

import signal

# What a terminal or a service manager sends to a whole group of processes.
SIGNALS = tuple(
    number
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGTSTP", None), getattr(signal, "SIGHUP", None))
    if number is not None
)
