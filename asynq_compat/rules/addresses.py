"""On which host and port is something served?

Contract: pure. ``host:port``, ``[::1]:port``, or ``:port`` for every address of the machine, as Go writes it.
"""

from __future__ import annotations

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.limits import shown

_PORT_MAX = 65_535


def parse_address(addr: object) -> tuple[str, int]:
    """Return host ("" for every address) and port; port 0 is one that is free.

    Raises:
        InvalidArgumentError: It is no such text.
    """
    host, colon, port = addr.rpartition(":") if isinstance(addr, str) else ("", "", "")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if is_bracketed:
        host = host[1:-1]
    is_host = not any(character.isspace() or character in "[]/" for character in host) and (
        is_bracketed or ":" not in host
    )
    if not colon or not is_host or not (port.isascii() and port.isdigit()) or int(port) > _PORT_MAX:
        raise InvalidArgumentError(
            f"metrics are served at a host and a port, such as 127.0.0.1:9090, got {shown(addr)}"
        )
    return host, int(port)
