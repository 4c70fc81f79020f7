"""Do Go and our Redis broker make the same sets of the same groups, and leave the same behind?

Contract: one function a step, as in transitions.py. Go makes its sets first; ours get the same names, so that the databases can be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from asynq_compat.brokers.redis.maintaining import RedisMaintaining
from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.rules.patience import Patience
from asynq_compat.wire import decode_message
from tests.differential import reads
from tests.differential.differences import Difference
from tests.differential.world import World

_SIZES, _DELAYS_S, _GRACES_S = (0, 0, 1, 2, 3), (0, 0, 1, 5, 60), (1, 2, 5, 60)


def aggregate(world: World, random: Random) -> None:
    """Make sets of the groups of a queue whose time has come."""
    queue = random.choice(world.queues)
    patience = Patience(random.choice(_SIZES), random.choice(_DELAYS_S), random.choice(_GRACES_S))
    names = {group: world.go.check_group(queue, group, patience) for group in world.go.groups(queue)}
    told = {group: world.go.read_set(queue, group, name) for group, name in names.items() if name}
    made = _ours(world, queue, patience, names)
    world.tell(f"  {queue} {patience}: {[(one.group, len(one.messages)) for one in made]}")
    world.same(
        "aggregate",
        go={group: ([one.id for one in messages], expires_s) for group, (messages, expires_s) in told.items()},
        ours={one.group: ([decode_message(m).id for m in one.messages], one.expires_at_s) for one in made},
    )
    world.sets += made
    if queue in world.machines:
        views = world.machines[queue].aggregate(list(names), patience)
        world.same(
            "aggregate",
            ours={one.group: ([decode_message(m).id for m in one.messages], one.expires_at_s) for one in made},
            machine={name: ([decode_message(m).id for m in v.messages], v.expires_s) for name, v in views.items()},
        )
        world.sets_of_machines |= {one.name: views[one.group] for one in made}
    world.count("aggregate", "made" if made else "none")


def _ours(world: World, queue: str, patience: Patience, names: Mapping[str, str]) -> list[AggregationSet]:
    maintaining = world.ours.maintaining
    assert isinstance(maintaining, RedisMaintaining)
    maintaining.new_set_id = lambda group: names[group] or "not due in Go's eyes"
    return [one for batch in maintaining.aggregate(queue, patience) for one in batch]


def delete_set(world: World, random: Random, request_of: Callable[[World, str, str, Random], EnqueueRequest]) -> None:
    """Let one task stand for a set that was made, in time or too late."""
    if not world.sets:
        return
    one = world.sets.pop(random.randrange(len(world.sets)))
    if world.machines and one.expires_at_s <= world.clock.now_s():
        return  # Difference.NOTHING_IS_AGGREGATED_TWICE
    kind = random.choice(("enqueue", "enqueue", "enqueue_unique", "enqueue_scheduled", "enqueue_grouped"))
    request = request_of(world, kind, one.queue, random)
    (ours,) = world.ours.maintaining.finish_sets([(one, request)])
    (gos,) = world.go.enqueue([request])
    if gos is EnqueueStatus.ENQUEUED:
        world.go.delete_set(one.queue, one.group, one.name)
    world.tell(f"  {one.queue} {one.group} {one.name}: {request.task_id} -> {ours}")
    world.same("delete_set", go=gos, ours=ours)
    world.count("delete_set", ours)
    if one.queue in world.machines:
        world.same(
            "delete_set",
            ours=ours,
            machine=world.machines[one.queue].delete_set(world.sets_of_machines[one.name], request),
        )
        if request.unique_key and ours is EnqueueStatus.ID_CONFLICT:
            world.locks.drop(request.unique_key)
            world.count(Difference.LOCK_LEFT_BY_ID_CONFLICT.value)


def reclaim_sets(world: World, random: Random, let_pass: Callable[[World, float], None]) -> None:
    """Return the tasks of stale sets to their groups."""
    if world.sets and random.random() < 0.7:
        let_pass(world, random.choice((119, 120, 121)))
    reclaim(world)


def reclaim(world: World) -> None:
    """Let the recoverer come by."""
    count = world.ours.maintaining.reclaim_sets(world.queues)
    for queue in world.queues:
        world.go.reclaim_sets(queue)
    world.tell(f"  {count}")
    world.count("reclaim_sets", "some" if count else "none")


def list_groups(world: World, random: Random) -> None:
    """List groups, and a page of one."""
    queue = random.choice((*world.queues * 3, "nobody's"))
    world.same("groups", go=world.go.group_sizes(queue), ours=dict(world.ours.inspecting.groups(queue)))
    group, (size, page) = random.choice(("g", "g", "h:i", "none")), random.choice(((1, 0), (2, 1), (100, 0)))
    gos = world.go.listed_group(queue, group, page, size)
    ours = world.ours.inspecting.list_group(queue, group, start=page * size, count=size)
    world.same(
        f"list {queue} {group}",
        go=None if gos is None else [reads.go_task(one) for one in gos],
        ours=None if ours is None else [reads.our_task(one) for one in ours],
    )
    world.count("list_groups", "some" if ours else "none")
