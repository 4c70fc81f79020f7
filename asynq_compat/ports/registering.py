"""How does a server make itself known?

Contract: what is written vanishes by itself after its ttl; the heartbeater writes again before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from asynq_compat.wire.server_info import ServerInfo, WorkerInfo


class Registering(Protocol):
    """What a heartbeater asks of a broker. Thread-safe."""

    def write_server_state(self, info: ServerInfo, workers: Sequence[WorkerInfo], ttl_s: int) -> None:
        """Publish the server and what its workers do, for `ttl_s` seconds."""

    def clear_server_state(self, info: ServerInfo) -> None:
        """Withdraw what was published for this host, pid and server id."""
