"""How does a server make itself known, and vanish again?

Source: docs/semantics.md, "server state".
"""

from __future__ import annotations

from asynq_compat.ports.inspecting import RunningServer
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes
from asynq_compat.wire.server_info import ServerInfo, WorkerInfo


def _server(queue: QueueHarness) -> ServerInfo:
    return ServerInfo(
        host="host-1",
        pid=4711,
        server_id=f"server-of-{queue.queue}",
        concurrency=10,
        queues={queue.queue: 1},
        status="active",
        start_time_ns=queue.clock.now_ns(),
        active_worker_count=1,
    )


def _worker(queue: QueueHarness, server: ServerInfo) -> WorkerInfo:
    return WorkerInfo(
        host=server.host,
        pid=server.pid,
        server_id=server.server_id,
        task_id="task-1",
        task_type="report",
        task_payload=b"x",
        queue=queue.queue,
        start_time_ns=queue.clock.now_ns(),
        deadline_ns=queue.clock.now_ns() + 60_000_000_000,
    )


def _told(queue: QueueHarness, server: ServerInfo) -> RunningServer | None:
    return next((one for one in queue.broker.inspecting.servers() if one.info.server_id == server.server_id), None)


def a_heartbeat_replaces_the_one_before(queue: QueueHarness) -> None:
    """With workers and without, as often as it likes."""
    registering, server = queue.broker.registering, _server(queue)

    registering.write_server_state(server, [_worker(queue, server)], 10)
    registering.write_server_state(server, [], 10)
    assert _told(queue, server) == RunningServer(server, [])
    registering.write_server_state(server, [_worker(queue, server)], 10)
    assert _told(queue, server) == RunningServer(server, [_worker(queue, server)])

    registering.clear_server_state(server)
    assert _told(queue, server) is None


@passes(11)
def what_is_not_repeated_runs_out(queue: QueueHarness) -> None:
    """A server that has died is listed no longer than its word holds."""
    registering, server = queue.broker.registering, _server(queue)
    registering.write_server_state(server, [], 10)

    queue.pass_s(9)
    assert _told(queue, server) is not None
    queue.pass_s(2)

    assert _told(queue, server) is None


def clearing_what_is_not_there_is_legal(queue: QueueHarness) -> None:
    """It may have run out by itself."""
    registering, server = queue.broker.registering, _server(queue)

    registering.clear_server_state(server)
    registering.write_server_state(server, [], 10)
    registering.clear_server_state(server)
    registering.clear_server_state(server)


def it_is_no_queue(queue: QueueHarness) -> None:
    """A server that serves a queue does not make it exist."""
    registering, server = queue.broker.registering, _server(queue)

    registering.write_server_state(server, [], 10)

    assert queue.queue not in queue.broker.inspecting.queues()
    registering.clear_server_state(server)
