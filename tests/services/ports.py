"""Which loopback ports are free, and does something listen there?

Contract: a port that was given is given to nobody else who asks here, in whichever process, until the one that asked ends; whether something
listens there or not.
Not obvious: they lie below those that the system gives to connections on their way out. Such a connection could have taken the port of a
service that is about to start, or is down for a moment; and who tries to connect to a service that is down would at times meet himself.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
_BLOCK = 100
_BLOCKS = range(10_000, 32_000, _BLOCK)  # Linux gives those from 32768 on.


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 at which nothing listens, all different."""
    with _lock:
        return list(itertools.islice(filter(_is_free, _ours), count))


def _numbers() -> Iterator[int]:
    """Give the ports of one block after another that no other process has taken."""
    folder = Path(tempfile.gettempdir()) / f"asynq-compat-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for first in random.sample(_BLOCKS, len(_BLOCKS)):
        file = os.open(folder / str(first), os.O_CREAT | os.O_RDWR, 0o666)  # Held until this process ends.
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        yield from range(first, first + _BLOCK)
    raise OSError("all ports of 127.0.0.1 that tests may use are taken")


_lock = threading.Lock()  # Guards the next one.
_ours = _numbers()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Say whether a connection to 127.0.0.1:port is taken."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
