"""Do Go's Inspector and ours answer the same, refuse in the same words, and leave the same behind?

Contract: one function a step, as in transitions.py. Both inspectors have connections of their own, so that a queue that they remove is not
announced again by a client that has announced it (G9). Where ours finds a contradiction in what is stored, Go gives some error.
Not obvious: ours goes on in slices; some steps make them so small that several are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from asynq_compat.brokers.redis import administering
from asynq_compat.errors import AsynqError, CorruptDataError
from tests.differential.world import World
from tests.interop import inspector_told as told
from tests.interop.go_oracle import OracleError

_STATES = ("pending", "active", "scheduled", "retry", "archived", "completed", "aggregating")
_GROUPS = ("g", "h:i", "nobody's")
_BULK = (
    *(f"run_all_{state}" for state in ("scheduled", "retry", "archived", "aggregating")),
    *(f"archive_all_{state}" for state in ("pending", "scheduled", "retry", "aggregating")),
    *(f"delete_all_{state}" for state in ("pending", "scheduled", "retry", "archived", "completed", "aggregating")),
)
_CHANGES = ("run_task", "archive_task", "delete_task", "update_task_payload", "pause_queue", "unpause_queue")
OPERATIONS = (
    "list",
    "get_task_info",
    "get_queue_info",
    "groups",
    "history",
    "servers",
    *_CHANGES,
    *_BULK,
    "delete_queue",
)
_CONTRADICTION = "a contradiction"

_Answer = tuple[str, object]


def reads(world: World, random: Random) -> None:
    """Lists, one task, counts, history, servers."""
    queue = _queue(world, random)
    random.choice((_list, _list, _list, _task, _counts, _groups, _history, _servers, _queues))(world, random, queue)


def _list(world: World, random: Random, queue: str) -> None:
    state, page, size = random.choice(_STATES), random.choice((None, -1, 0, 1, 2)), random.choice((None, 0, 1, 2))
    group = [random.choice(_GROUPS)] if state == "aggregating" else []
    list_tasks = getattr(world.ground.inspector, f"list_{state}_tasks")
    _compare(
        world,
        "list",
        lambda: [_by_this_clock(told.task(info)) for info in list_tasks(queue, *group, page=page, page_size=size)],
        lambda found: [_by_this_clock(told.go_task(one)) for one in found],
        queue=queue,
        state=state,
        page=page,
        size=size,
        group="".join(group),
    )


def _groups(world: World, _: Random, queue: str) -> None:
    _compare(
        world,
        "groups",
        lambda: {one.group: one.size for one in world.ground.inspector.groups(queue)},
        lambda found: found,
        queue=queue,
    )


def _task(world: World, random: Random, queue: str) -> None:
    task_id, inspector = _task_id(world, random, queue), world.ground.inspector
    args = {"queue": queue, "task_id": task_id}
    _compare(world, "get_task_info", lambda: told.task(inspector.get_task_info(queue, task_id)), told.go_task, **args)


def _counts(world: World, _: Random, queue: str) -> None:
    inspector = world.ground.inspector
    _compare(
        world,
        "get_queue_info",
        lambda: _without_memory(told.queue(inspector.get_queue_info(queue))),
        _without_memory,
        queue=queue,
    )


def _history(world: World, random: Random, queue: str) -> None:
    days, inspector = random.choice((-1, 0, 1, 3, 90)), world.ground.inspector
    _compare(
        world,
        "history",
        lambda: [told.day(one) for one in inspector.history(queue, days)],
        lambda found: [told.go_day(one) for one in found],
        queue=queue,
        days=days,
    )


def _servers(world: World, _: Random, __: str) -> None:
    _compare(
        world,
        "servers",
        lambda: sorted(map(told.server, world.ground.inspector.servers()), key=_id),
        lambda found: sorted(map(told.go_server, found), key=_id),
    )


def _queues(world: World, _: Random, __: str) -> None:
    _compare(world, "queues", lambda: sorted(world.ground.inspector.queues()), lambda found: sorted(found or []))


def changes(world: World, random: Random) -> None:
    """What is done to one task, and pausing."""
    operation = random.choice((*_CHANGES, *["update_task_payload"] * 3))
    queue, inspector = _queue(world, random), world.ground.inspector
    args: dict[str, Any] = {}
    if operation.endswith(("task", "payload")):
        args["task_id"] = _task_id(world, random, queue)
    if operation == "update_task_payload":
        args["payload"] = random.choice((b"", b"new", bytes(range(256)), None))
    _compare(
        world,
        operation,
        lambda: getattr(inspector, operation)(queue, *args.values()),
        lambda found: found,
        queue=queue,
        **args,
    )


def bulk(world: World, random: Random) -> None:
    """All tasks of one state at once."""
    operation = random.choice(_BULK)
    queue, inspector = _queue(world, random), world.ground.inspector
    group = [random.choice(_GROUPS)] if operation.endswith("aggregating") else []
    args = {"group": group[0]} if group else {}
    with slices_of(random.choice((1, 2, administering.SLICE_COUNT_MAX))):
        _compare(
            world,
            operation,
            lambda: getattr(inspector, f"{operation}_tasks")(queue, *group),
            lambda found: found,
            queue=queue,
            **args,
        )


def delete_queue(world: World, random: Random) -> None:
    """A queue is forgotten, with its tasks or not at all."""
    queue, force = _queue(world, random), random.random() < 0.5
    with slices_of(random.choice((1, 3, administering.SLICE_COUNT_MAX))):
        _compare(
            world,
            "delete_queue",
            lambda: world.ground.inspector.delete_queue(queue, force=force),
            lambda found: found,
            queue=queue,
            force=force,
        )


def _compare(
    world: World, operation: str, ours: Callable[[], object], read: Callable[[Any], object], **args: Any
) -> None:
    mine = _mine(ours)
    gos = _gos(world, operation, read, args)
    world.tell(f"  {operation} {args} -> {mine[0]} {str(mine[1])[:200]}")
    if mine[0] == _CONTRADICTION:
        world.same(operation, go=gos[0], ours="error")
    else:
        world.same(f"{operation} {args}", **_differing(gos, mine))
    world.count(f"inspector.{operation}", "some" if operation in _BULK and mine[0] == "ok" and mine[1] else mine[0])


def _mine(ask: Callable[[], object]) -> _Answer:
    try:
        return "ok", ask()
    except CorruptDataError:
        return _CONTRADICTION, ""
    except AsynqError as error:
        return "error", str(error)


def _gos(world: World, operation: str, read: Callable[[Any], object], args: dict[str, Any]) -> _Answer:
    try:
        return "ok", read(world.go.inspect(operation, **args))
    except OracleError as error:
        return "error", error.text


@contextmanager
def slices_of(count: int) -> Iterator[None]:
    """Let ours go on in slices of so many tasks."""
    usual = administering.SLICE_COUNT_MAX
    administering.SLICE_COUNT_MAX = count
    try:
        yield
    finally:
        administering.SLICE_COUNT_MAX = usual


def _queue(world: World, random: Random) -> str:
    return random.choice((*world.queues * 6, "nobody's", "", " "))


def _task_id(world: World, random: Random, queue: str) -> str:
    known = world.known(queue)
    return random.choice(known) if known and random.random() < 0.9 else random.choice(("task-a", "", "nobody"))


def _without_memory(counts: dict[str, Any]) -> dict[str, Any]:
    """Memory is compared where both look at one database; latency and timestamp are the broker's to compare."""
    return {name: value for name, value in counts.items() if name not in ("memory_usage", "latency_ns", "timestamp_ns")}


def _by_this_clock(one: dict[str, Any]) -> dict[str, Any]:
    """Whether a lease is over Go's Inspector asks the real clock; that is compared where there is no other."""
    return {name: value for name, value in one.items() if name != "is_orphaned"}


def _differing(gos: _Answer, mine: _Answer) -> dict[str, object]:
    """Return both answers; of two lists only what differs, for the story's sake."""
    left, right = gos[1], mine[1]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        left, right = (
            [one for one, other in zip(a, b, strict=True) if one != other] for a, b in ((left, right), (right, left))
        )
    return {"go": (gos[0], left), "ours": (mine[0], right)}


def _id(one: dict[str, Any]) -> str:
    return f"{one['host']}:{one['pid']}:{one['id']}"
