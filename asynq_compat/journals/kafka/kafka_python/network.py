"""What runs under a client of kafka-python: which event loop, which sockets?

Contract: once an event loop is closed, none of its sockets is open. What the library does with either is unchanged.
Not obvious: kafka-python 3.0.12 leaves a socket whose connect failed, or was under way at the close, to the garbage collector; sockets come
to know their loop by the library's way to add proxies. It also asks the kernel before each write whether it may, reads 4 KB at a time, and
prints a socket into an error for each wait that begins: a third of a busy server's CPU, and most of it is spared here.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, Self

from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector

SCHEME = "asynq-compat-direct"
_READ_BYTES = 64 * 1024
_PAUSE_S = 1.0


class DirectSocket(socket.socket):
    """A non-blocking socket that spares calls whose answer is known.

    Attributes:
        takes_writes: As far as is known; False until somebody waited for it.
    """

    takes_writes = False
    _is_drained = False

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive what there is, however little was asked for; a short read is followed by BlockingIOError."""
        if self._is_drained:
            self._is_drained = False
            raise BlockingIOError
        data = super().recv(max(bufsize, _READ_BYTES), flags)
        self._is_drained = 0 < len(data) < _READ_BYTES
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send, and note when the kernel takes no more."""
        try:
            return super().send(data, flags)
        except (BlockingIOError, InterruptedError):
            self.takes_writes = False
            raise


class _TLSSocket(ssl.SSLSocket):
    """A socket that is closed when TLS does not come about."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001 - as the one it replaces
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


class TLSSockets(ssl.SSLContext):
    """A context whose sockets are known to their event loop."""

    sslsocket_class = _TLSSocket
    _known: weakref.WeakSet[socket.socket]

    @classmethod
    def of(cls, network: Network) -> Self:
        """Return one for the connections of a client."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._known = network.sockets
        return context

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Put TLS around a connected socket."""
        wrapped = super().wrap_socket(*args, **options)
        self._known.add(wrapped)
        return wrapped


class _Selector(selectors.DefaultSelector):
    """A selector that says at little cost that it does not know a socket."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[Any] = set()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._known.add(fileobj)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self._known.discard(fileobj)
        return super().unregister(fileobj)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        if fileobj not in self._known:
            raise KeyError(fileobj)
        return super().get_key(fileobj)


class _AtOnce:
    """An awaitable that waits for nothing."""

    def __await__(self) -> Iterator[Any]:
        return iter(())


_AT_ONCE = _AtOnce()


class Network(NetworkSelector):  # type: ignore[misc]  # kafka-python has no types
    """The event loop of one client: it ends with every socket that was made in it.

    Args:
        is_driven: It has no thread of its own: it goes on while somebody waits for something in it, one thread at a time.
        options: Those of the library.
    """

    def __init__(self, *, is_driven: bool = False, **options: Any) -> None:
        super().__init__(**{**options, "selector": _Selector, "slow_task_threshold_secs": 0})
        self._is_driven = is_driven
        self._driven_at = time.monotonic()
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_over = threading.Event()

    def start(self) -> None:
        """Begin a thread that drives the loop, unless who waits for something drives it."""
        if not self._is_driven:
            super().start()

    def _poll_once(self, timeout: float | None = None) -> None:
        """Do what can be done now. While nobody drives the loop no time passes for what waits in it: answers came all the same."""
        now = time.monotonic()
        if self._is_driven and (pause_s := now - self._driven_at) > _PAUSE_S:
            for place, (at, task) in enumerate(self._scheduled):  # They stay in their order.
                task.scheduled_at = at + pause_s
                self._scheduled[place] = task.scheduled_at, task
        super()._poll_once(timeout)
        self._driven_at = time.monotonic()

    def wait_write(self, fileobj: Any, timeout_at: float | None = None) -> Any:
        """Wait until the socket takes writes, if it is not known to do so."""
        if isinstance(fileobj, DirectSocket):
            if fileobj.takes_writes:
                return _AT_ONCE
            fileobj.takes_writes = True
        return super().wait_write(fileobj, timeout_at)

    def close(self) -> None:
        """End the loop and close its sockets. Legal twice."""
        held = list(self.sockets)  # Or the end of a task that waits on one would drop it unclosed.
        try:
            super().close()
        finally:
            for one in held:
                one.close()
            self._is_over.set()

    def wait_until_closed(self, timeout_s: float) -> None:
        """Wait for the thread that closes it."""
        self._is_over.wait(timeout_s)


class _Direct(KafkaNetSocket):  # type: ignore[misc]  # kafka-python has no types
    """Connections without a proxy, whose sockets are known to their event loop."""

    SCHEMES = (SCHEME,)

    def socket(
        self,
        family: int = socket.AF_UNSPEC,
        sock_type: int = socket.SOCK_STREAM,
        proto: int = socket.IPPROTO_TCP,
    ) -> socket.socket:
        """Make the socket of a connection."""
        return DirectSocket(family, sock_type, proto)

    async def sock_connect(
        self, net: Network, sock: DirectSocket, sockaddr: Any, timeout_at: float | None = None
    ) -> Any:
        """Connect; a socket that does not is closed."""
        net.sockets.add(sock)
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
