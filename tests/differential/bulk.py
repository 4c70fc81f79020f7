"""Are all tasks of a state changed alike on all sides, and a task's payload?

Contract: one function a step, as in transitions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from asynq_compat.errors import CorruptDataError
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.rules.task_state import TaskState
from tests.differential import inspector
from tests.differential.differences import Difference
from tests.differential.world import World

_ALL = {
    "run_all": ("scheduled", "retry", "archived"),
    "archive_all": ("pending", "scheduled", "retry"),
    "delete_all": ("pending", "scheduled", "retry", "archived", "completed"),
}


def change_all(operation: str) -> Callable[[World, Random], None]:
    """Return the step that runs, archives or deletes all tasks of a state."""

    def act(world: World, random: Random) -> None:
        queue = random.choice((*world.queues * 4, "nobody's"))
        state = random.choice(_ALL[operation])
        with inspector.slices_of(random.choice((1, 2, 1_000))):
            ours = getattr(world.ours.administering, operation)(queue, TaskState.parse(state))
        world.tell(f"  {queue} {state} -> {ours}")
        world.same(operation, go=world.go.change_all(operation, queue, state), ours=ours)
        world.count(operation, "some" if ours else ours)
        if queue in world.machines and ours is not None:
            machine = world.machines[queue].change_all(operation, state, random.choice((1, 2, 1_000)))
            world.same(operation, ours=ours, machine=machine)
            if (operation, state) == ("delete_all", "pending"):
                _free_locks_of_pending(world, queue)

    return act


def _free_locks_of_pending(world: World, queue: str) -> None:
    """Make good what Go leaves of the tasks that were pending before this step."""
    pending = world.now.get(f"asynq:{{{queue}}}:pending")
    ids = set(pending.items) if pending is not None else set()
    for key, value in world.now.items():
        if key.startswith(f"asynq:{{{queue}}}:unique:") and not ids.isdisjoint(value.items):
            world.count(Difference.LOCKS_OF_DELETED_PENDING_TASKS.value)
            world.locks.drop(key)


def update_payload(world: World, random: Random) -> None:
    """Give a task another payload."""
    queue = random.choice((*world.queues * 4, "nobody's"))
    known = world.known(queue)
    task_id = random.choice(known) if known and random.random() < 0.9 else "nobody"
    payload = random.choice((b"", b"new", bytes(range(256))))
    try:
        ours: AdminOutcome | str = world.ours.administering.update_payload(queue, task_id, payload)
    except CorruptDataError:
        ours = "error"
    world.tell(f"  {queue} {task_id} {payload!r:.20} -> {ours}")
    world.same("update_payload", go=world.go.update_payload(queue, task_id, payload), ours=ours)
    world.count("update_payload", ours)
    if queue in world.machines and ours is not AdminOutcome.QUEUE_NOT_FOUND:
        world.same("update_payload", ours=ours, machine=world.machines[queue].update_payload(task_id, payload))
