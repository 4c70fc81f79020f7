"""How does one thread wait for several connections, and another wake it?

Contract: a `Waker` is readable from `wake` until `calm`; both ends are closed with it. `readable` waits for any of its sources.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Sequence


class Waker:
    """A socket pair: whatever is written to one end wakes who waits at the other."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @property
    def source(self) -> socket.socket:
        """What to wait for."""
        return self._reader

    def wake(self) -> None:
        """Make the source readable. Legal at any time, also after `close`."""
        try:
            self._writer.send(b"!")
        except OSError:
            return  # Full: it is readable already; closed: nobody waits.

    def calm(self) -> None:
        """Make the source quiet again."""
        try:
            while self._reader.recv(64):
                pass
        except OSError:
            return

    def close(self) -> None:
        """Close both ends. Legal twice."""
        self._reader.close()
        self._writer.close()


def readable(sources: Sequence[socket.socket], timeout_s: float) -> list[socket.socket]:
    """Return those of `sources` that can be read or are broken, after at most `timeout_s`."""
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(max(timeout_s, 0)) if isinstance(key.fileobj, socket.socket)]
