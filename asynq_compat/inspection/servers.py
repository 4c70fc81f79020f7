"""Which servers live, and on which nodes of a cluster does a queue lie?

Contract: thread-safe; see `Inspector`.
"""

from __future__ import annotations

from datetime import datetime

from asynq_compat.errors import NotFoundError
from asynq_compat.infos import ClusterNode, ServerInfo, WorkerInfo
from asynq_compat.inspection.inspection import Inspection
from asynq_compat.inspection.refusals import check_text
from asynq_compat.ports.inspecting import RunningServer
from asynq_compat.rules.instants import instant_of
from asynq_compat.wire import server_info as wire


class ServerInspection(Inspection):
    """Servers with what they work on, nodes of a cluster."""

    def servers(self) -> list[ServerInfo]:
        """Return the servers that live, each with the tasks that it works on."""
        return [_server(one) for one in self._broker.inspecting.servers()]

    def cluster_key_slot(self, queue: str) -> int:
        """Return the hash slot of a Redis cluster that `queue` lies in.

        Raises:
            UnsupportedByBroker: The broker is no cluster of Redis.
        """
        return self._broker.inspecting.key_slot(check_text("queue", queue))

    def cluster_nodes(self, queue: str) -> list[ClusterNode]:
        """Return the nodes of a Redis cluster that `queue` lies on, the primary first.

        Raises:
            UnsupportedByBroker: The broker is no cluster of Redis.
            NotFoundError: No node has its slot.
        """
        nodes = self._broker.inspecting.nodes(check_text("queue", queue))
        if not nodes:
            raise NotFoundError("nodes not found")
        return [ClusterNode(id=node_id, addr=addr) for node_id, addr in nodes]


def _server(one: RunningServer) -> ServerInfo:
    info = one.info
    return ServerInfo(
        id=info.server_id,
        host=info.host,
        pid=info.pid,
        concurrency=info.concurrency,
        queues=dict(info.queues),
        strict_priority=info.strict_priority,
        started=_instant(info.start_time_ns),
        status=info.status,
        active_workers=tuple(_worker(worker) for worker in one.workers),
    )


def _worker(worker: wire.WorkerInfo) -> WorkerInfo:
    return WorkerInfo(
        task_id=worker.task_id,
        task_type=worker.task_type,
        task_payload=worker.task_payload,
        queue=worker.queue,
        started=_instant(worker.start_time_ns),
        deadline=_instant(worker.deadline_ns),
    )


def _instant(at_ns: int) -> datetime | None:
    return None if at_ns == wire.ZERO_TIME_NS else instant_of(at_ns)
