"""How is one connection to Redis opened?

Contract: redis-py connects, authenticates and parses; what it adds of its own (retries, health checks, decoding) is switched off, the
link has its own. A connection belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import Connection, UnixDomainSocketConnection
from redis.retry import Retry

from asynq_compat.brokers.redis.commands import Answer, Reply
from asynq_compat.brokers.redis.refusals import NoHandshakeError, NoWelcomeError, SlowSendError, refusal_of
from asynq_compat.brokers.redis.settings import RedisSettings

Whereabouts = Callable[[], tuple[str, int]]


class RedisConnection:
    """One connection, closed at first. Its methods raise redis-py's exceptions or OSError, and are of no more use then.

    Args:
        settings: Where to, and how.
        whereabouts: Says to which host and port, asked each time that it is opened; None: those of the settings.
    """

    __slots__ = ("__weakref__", "_inner", "_whereabouts")

    def __init__(self, settings: RedisSettings, whereabouts: Whereabouts | None = None) -> None:
        self._inner: Any = _new(settings)
        self._whereabouts = whereabouts

    @property
    def socket(self) -> socket.socket | None:
        """What to wait for; None while it is closed."""
        found: socket.socket | None = self._inner._sock  # noqa: SLF001 - redis-py has no public way to wait for several
        return found

    def open(self) -> None:
        """Connect and authenticate, unless that was done."""
        if self._inner._sock is None:  # noqa: SLF001 - as above
            if self._whereabouts is not None:
                self._inner.host, self._inner.port = self._whereabouts()
            self._inner.connect()

    def send(self, packed: bytes) -> None:
        """Send packed commands."""
        self._inner.send_packed_command([packed])

    def has_answer(self) -> bool:
        """Return True when `receive` will not wait, or will find the connection broken."""
        return bool(self._inner.can_read(0))

    def receive(self) -> Answer:
        """Return the next answer, a refusal included."""
        try:
            answer: Reply = self._inner.read_response(disable_decoding=True)
        except exceptions.InvalidResponse:
            raise
        except exceptions.ResponseError as error:
            return refusal_of(error)
        return answer

    def sever(self) -> None:
        """Let whoever waits for it find it broken. From any thread."""
        if (found := self.socket) is not None:
            with contextlib.suppress(OSError):  # It has ended meanwhile.
                found.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Disconnect. Legal twice; it may be opened again."""
        self._inner.disconnect()


class _UnevenConnection(RedisConnection):
    """A connection that may take another time to send than to answer. The others are spared two calls into the kernel a request."""

    __slots__ = ("_read_timeout_s", "_write_timeout_s")

    def __init__(self, settings: RedisSettings, whereabouts: Whereabouts | None) -> None:
        super().__init__(settings, whereabouts)
        self._read_timeout_s = settings.read_timeout_s
        self._write_timeout_s = settings.write_timeout_s

    def send(self, packed: bytes) -> None:
        """Send packed commands."""
        open_socket = self.socket
        if open_socket is not None:
            open_socket.settimeout(self._write_timeout_s)
        try:
            super().send(packed)
        except exceptions.TimeoutError as error:
            raise SlowSendError(f"{self._write_timeout_s:g} s were not enough to send") from error
        if open_socket is not None:
            open_socket.settimeout(self._read_timeout_s)


def new_connection(settings: RedisSettings, whereabouts: Whereabouts | None = None) -> RedisConnection:
    """Return a connection, not opened yet."""
    if settings.write_timeout_s == settings.read_timeout_s:
        return RedisConnection(settings, whereabouts)
    return _UnevenConnection(settings, whereabouts)


class _TcpConnection(Connection):
    """A connection over TCP, with TLS when there is a context: redis-py takes no context of the caller's."""

    def __init__(self, *, tls_context: ssl.SSLContext | None, server_name: str, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # redis-py's is not annotated
        self._tls_context = tls_context
        self._server_name = server_name

    def _connect(self) -> socket.socket:
        plain: socket.socket = super()._connect()  # type: ignore[no-untyped-call]  # redis-py's is not annotated
        if self._tls_context is None:
            return plain
        try:
            plain.settimeout(self.socket_connect_timeout)
            secure = self._tls_context.wrap_socket(plain, server_hostname=self._server_name or self.host)
            secure.settimeout(self.socket_timeout)
        except TimeoutError as error:
            plain.close()
            raise NoHandshakeError("no answer to the TLS handshake") from error
        except OSError:
            plain.close()
            raise
        return secure

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001 - redis-py's
        try:
            super().on_connect_check_health(check_health)
        except exceptions.ConnectionError as error:
            if type(error) is not exceptions.ConnectionError or "max number of clients" in str(error):
                raise
            raise NoWelcomeError(has_tls=self._tls_context is not None) from error


class _UnixConnection(UnixDomainSocketConnection):
    """A connection over a Unix socket; redis-py asks every connection for a host."""

    host = ""


def _new(settings: RedisSettings) -> object:
    options: dict[str, Any] = {
        "db": settings.db,
        "username": (settings.username or None) if settings.password else None,
        "password": settings.password or None,
        "socket_timeout": settings.read_timeout_s,
        "socket_connect_timeout": settings.dial_timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "protocol": 2,
    }
    if settings.network == "unix":
        return _UnixConnection(path=settings.addr, **options)  # type: ignore[no-untyped-call]  # redis-py's is not annotated
    host, port = settings.host_and_port
    context = ssl.create_default_context() if settings.tls is True else settings.tls or None
    return _TcpConnection(host=host, port=port, tls_context=context, server_name=settings.server_name, **options)
