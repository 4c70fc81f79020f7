"""Where is a Redis, and how is it talked to?

Contract: values; nothing is opened here. A password shows in no repr.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.limits import shown

DEFAULT_ADDR = "localhost:6379"
DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26_379
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Where a Redis is and how to talk to it.

    Attributes:
        network: "tcp" or "unix".
        addr: ``host:port``, or the path of a socket; says nothing where there are sentinels or cluster nodes.
        username: Sent only with a password.
        password: Never shown.
        db: Number of the database.
        dial_timeout_s: How long connecting may take; with sentinels and in a cluster also how long a request waits for a new master.
        read_timeout_s: How long an answer may take; None waits for ever.
        write_timeout_s: How long sending may take; None waits for ever.
        pool_size: Most connections to one server at once, without those that wait for tasks; None: 10 for each CPU.
        tls: True for the system's certificates, or a context.
        server_name: Name that the certificate must bear; "": the host.
        sentinels: Who knows where the master called `master_name` is.
        sentinel_username: Sent to sentinels, only with a password.
        sentinel_password: Never shown.
        cluster: Some of a cluster's nodes.
        max_redirects: How often a cluster may send one request elsewhere.
    """

    network: str = "tcp"
    addr: str = DEFAULT_ADDR
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    dial_timeout_s: float = 5.0
    read_timeout_s: float | None = 3.0
    write_timeout_s: float | None = 3.0
    pool_size: int | None = None
    tls: bool | ssl.SSLContext = False
    server_name: str = ""
    sentinels: tuple[str, ...] = ()
    master_name: str = ""
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    cluster: tuple[str, ...] = ()
    max_redirects: int = 3

    @property
    def address(self) -> str:
        """What logs and errors call it."""
        if self.sentinels:
            return f"{self.master_name} of the sentinels {','.join(self.sentinels)}"
        return ",".join(self.cluster) or self.addr

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The host and the port of a TCP address; IPv6 hosts may stand in brackets."""
        return host_and_port(self.addr)

    def check_addr(self) -> None:
        """Refuse addresses that cannot even be looked up.

        Raises:
            InvalidArgumentError: A host is no host name, or a port is out of range.
        """
        if self.network == "unix":
            return
        for addr in self.sentinels or self.cluster or (self.addr,):
            host, port = host_and_port(addr)
            try:
                host.encode("idna")
            except UnicodeError:
                host = ""
            if not host or "\0" in host or port > _PORT_MAX:
                raise InvalidArgumentError(f"addr must be host:port, got {shown(addr)}; for example {DEFAULT_ADDR}")


def host_and_port(addr: str, default_port: int = DEFAULT_PORT) -> tuple[str, int]:
    """Return the host and the port of ``host:port``; IPv6 hosts may stand in brackets."""
    host, separator, port = addr.rpartition(":")
    if not separator or not port.isdigit():
        return addr.strip("[]"), default_port
    return host.strip("[]"), int(port)
