"""How does a server make itself known on the control journal?

Contract: as `ports.registering`. What was written is forgotten by every reader when its ttl is over on the journal's clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.wire import command
from asynq_compat.wire.server_info import ServerInfo, WorkerInfo, encode_server_info, encode_worker_info


class JournalRegistering:
    """The registering port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def write_server_state(self, info: ServerInfo, workers: Sequence[WorkerInfo], ttl_s: int) -> None:
        """Publish the server and what its workers do."""
        encoded = encode_server_info(info)
        of_workers = [(worker.task_id, encode_worker_info(worker)) for worker in workers]
        size_bytes = len(encoded) + sum(len(data) + 48 for _, data in of_workers)
        commands = [command.server(_key(info), encoded, of_workers, ttl_s)]
        control = self._partitions.control
        control.commit(commands, size_bytes=size_bytes, needs_outcomes=False)
        control.published(_key(info))
        self._partitions.look_after()

    def clear_server_state(self, info: ServerInfo) -> None:
        """Withdraw what was published for this host, pid and server id."""
        control = self._partitions.control
        control.withdrawn(_key(info))
        control.commit([command.server_gone(_key(info))], size_bytes=64, needs_outcomes=False)


def _key(info: ServerInfo) -> str:
    return f"{info.host}:{info.pid}:{info.server_id}"
