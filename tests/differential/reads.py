"""Do Go and our Redis broker tell the same about a queue, and tell others the same?

Contract: one function a step, as in transitions.py.
"""

from __future__ import annotations

import base64
from random import Random
from typing import Any

from asynq_compat.ports.inspecting import StoredTask
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import decode_message
from asynq_compat.wire.server_info import ServerInfo, WorkerInfo
from tests.differential.world import World
from tests.interop.go_oracle import message_of

_NS_PER_S = 1_000_000_000
_LISTED = [state for state in TaskState if state is not TaskState.AGGREGATING]


def list_tasks(world: World, random: Random) -> None:
    """List a page of one state; what cannot be read is listed by nobody."""
    queue, state = random.choice(world.queues), random.choice(_LISTED)
    size, page = random.choice(((1, 0), (2, 1), (3, 0), (100, 0)))
    gos = world.go.listed(queue, str(state), page, size)
    ours = world.ours.inspecting.list_tasks(queue, state, start=page * size, count=size)
    world.same(
        f"list {queue} {state}",
        go=None if gos is None else [go_task(one) for one in gos],
        ours=None if ours is None else [our_task(one) for one in ours],
    )
    world.count("list_tasks", state)


def go_task(told: dict[str, Any]) -> tuple[object, ...]:
    next_process_at = told["next_process_at"]
    return (
        message_of(told["message"]),
        told["state"],
        next_process_at and next_process_at[0],
        base64.b64decode(told["result"] or ""),
    )


def our_task(stored: StoredTask) -> tuple[object, ...]:
    message = decode_message(stored.message)
    return (message, str(stored.state), stored.next_process_at, stored.result or b"")


def queue_stats(world: World, random: Random) -> None:
    """Read the counts of a queue."""
    queue = random.choice((*world.queues, "nobody's"))
    gos, ours = world.go.stats(queue), world.ours.inspecting.queue_stats(queue)
    if gos is None or ours is None:
        world.same(f"stats of {queue}", go=gos, ours=ours)
        return
    names = (
        *("groups", "pending", "active", "scheduled", "retry", "archived", "completed", "aggregating"),
        *("processed", "failed", "processed_total", "failed_total", "latency", "timestamp"),
    )
    world.same(
        f"stats of {queue}",
        go=[gos["paused"], *(gos[name] for name in names)],
        ours=[ours.paused, *(getattr(ours, name) for name in names)],
    )
    world.count("queue_stats")


def server_state(world: World, random: Random) -> None:
    """Publish a server with and without workers, or withdraw it."""
    info = ServerInfo(
        host="host-1",
        pid=random.choice((1, 4711)),
        server_id="7f1c",
        concurrency=10,
        queues={world.queues[0]: 3},
        strict_priority=random.random() < 0.5,
        status=random.choice(("active", "stopped")),
        start_time_ns=world.clock.now_ns(),
        active_worker_count=1,
    )
    as_go = {
        name: getattr(info, name) for name in ("host", "pid", "server_id", "concurrency", "strict_priority", "status")
    }
    as_go |= {"queues": dict(info.queues), "active_worker_count": 1, "start_time": _instant(info.start_time_ns)}
    registering = world.ours.registering
    if random.random() < 0.3:
        registering.clear_server_state(info)
        world.go.clear_server_state(as_go)
        world.count("clear_server_state")
        return
    workers = [_worker(world, info)] if random.random() < 0.6 else []
    registering.write_server_state(info, workers, 3600)
    world.go.write_server_state(as_go, [_go_worker(worker) for worker in workers], 3600)
    world.count("write_server_state")


def _worker(world: World, info: ServerInfo) -> WorkerInfo:
    return WorkerInfo(
        host=info.host,
        pid=info.pid,
        server_id=info.server_id,
        task_id="task-a",
        task_type="email",
        task_payload=b"x",
        queue=world.queues[0],
        start_time_ns=world.clock.now_ns(),
        deadline_ns=world.clock.now_ns() + 60 * _NS_PER_S + 7,
    )


def _go_worker(worker: WorkerInfo) -> dict[str, Any]:
    names = ("host", "pid", "server_id", "task_id", "task_type", "task_payload", "queue")
    return {name: getattr(worker, name) for name in names} | {
        "start_time": _instant(worker.start_time_ns),
        "deadline": _instant(worker.deadline_ns),
    }


def _instant(at_ns: int) -> list[int]:
    return [at_ns // _NS_PER_S, at_ns % _NS_PER_S]


def publish_cancelation(world: World, random: Random) -> None:
    """Both publish on the same channel of the same server: whoever listens hears the id twice."""
    task_id = f"task-{random.randrange(10**6)}"
    feed = world.ours.signalling.subscribe_cancelations()
    try:
        world.ours.signalling.publish_cancelation(task_id)
        world.go.publish_cancelation(task_id)
        heard: list[str] = []
        while len(heard) < 2 and (ids := feed.next(60.0)):
            heard += ids
    finally:
        feed.close()
    world.same("publish_cancelation", heard=heard, published=[task_id, task_id])
    world.count("publish_cancelation")
