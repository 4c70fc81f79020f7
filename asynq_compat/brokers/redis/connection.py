"""How is one connection to Redis opened?

Contract: redis-py connects, authenticates and parses; what it adds of its own (retries, health checks, decoding) is switched off, the
link has its own. A connection belongs to one thread at a time.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import Connection, UnixDomainSocketConnection
from redis.retry import Retry

from asynq_compat.brokers.redis.commands import Answer, Reply
from asynq_compat.brokers.redis.refusals import NoHandshakeError, refusal_of
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.limits import shown

DEFAULT_ADDR = "localhost:6379"
DEFAULT_PORT = 6379
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Where a Redis is and how to talk to it.

    Attributes:
        network: "tcp" or "unix".
        addr: ``host:port``, or the path of a socket.
        username: Sent only with a password.
        password: Never shown.
        db: Number of the database.
        dial_timeout_s: How long connecting may take.
        read_timeout_s: How long an answer may take; None waits for ever.
        write_timeout_s: How long sending may take; None: as `read_timeout_s`.
        pool_size: Most connections at once, without those that wait for tasks; None: 10 for each CPU.
        tls: True for the system's certificates, or a context.
        server_name: Name that the certificate must bear; "": the host.
    """

    network: str = "tcp"
    addr: str = DEFAULT_ADDR
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    dial_timeout_s: float = 5.0
    read_timeout_s: float | None = 3.0
    write_timeout_s: float | None = None
    pool_size: int | None = None
    tls: bool | ssl.SSLContext = False
    server_name: str = ""

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The host and the port of a TCP address; IPv6 hosts may stand in brackets."""
        host, separator, port = self.addr.rpartition(":")
        if not separator or not port.isdigit():
            return self.addr.strip("[]"), DEFAULT_PORT
        return host.strip("[]"), int(port)

    def check_addr(self) -> None:
        """Refuse an address that cannot even be looked up.

        Raises:
            InvalidArgumentError: Its host is no host name, or its port is out of range.
        """
        if self.network == "unix":
            return
        host, port = self.host_and_port
        try:
            host.encode("idna")
        except UnicodeError:
            host = ""
        if not host or "\0" in host or port > _PORT_MAX:
            raise InvalidArgumentError(f"addr must be host:port, got {shown(self.addr)}; for example {DEFAULT_ADDR}")


class RedisConnection:
    """One connection, closed at first. Its methods raise redis-py's exceptions or OSError, and are of no more use then."""

    __slots__ = ("_inner",)

    def __init__(self, settings: RedisSettings) -> None:
        self._inner: Any = _new(settings)

    @property
    def socket(self) -> socket.socket | None:
        """What to wait for; None while it is closed."""
        found: socket.socket | None = self._inner._sock  # noqa: SLF001 - redis-py has no public way to wait for several
        return found

    def open(self) -> None:
        """Connect and authenticate, unless that was done."""
        if self._inner._sock is None:  # noqa: SLF001 - as above
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

    def close(self) -> None:
        """Disconnect. Legal twice; it may be opened again."""
        self._inner.disconnect()


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
            secure = self._tls_context.wrap_socket(plain, server_hostname=self._server_name)
            secure.settimeout(self.socket_timeout)
        except TimeoutError as error:
            plain.close()
            raise NoHandshakeError("no answer to the TLS handshake") from error
        except OSError:
            plain.close()
            raise
        return secure


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
    return _TcpConnection(
        host=host, port=port, tls_context=context, server_name=settings.server_name or host, **options
    )
