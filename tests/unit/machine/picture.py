"""What does a machine remember, apart from how its containers are cut?

Contract: `picture` walks every field of every record that it meets, so that a new field is seen without a word here. What is worked out
anew when a state is restored is shown by what it stands for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from asynq_compat.machine.containers.groups import GroupedTask, Groups
from asynq_compat.machine.containers.indexes import DueIndex, PendingQueue, Segment, TimedTask
from asynq_compat.machine.containers.kept import KeptTasks, Shelf
from asynq_compat.machine.containers.locks import Locks
from asynq_compat.machine.control.tokens import Tokens
from asynq_compat.machine.state import Assignment, State

# Class -> fields that say nothing about a state: containers that are shown below in their own way, and a bound that saves time.
WORKED_OUT: dict[type, set[str]] = {
    State: {"tasks", "extras", "sessions_due_ms"},
    Assignment: {"ids", "messages", "parts"},
    PendingQueue: {"runs", "attic"},
    DueIndex: {"heap", "added_count"},
    KeptTasks: {"shelves", "seconds"},
    Tokens: {"now_s"},
    Groups: {"name_of", "lines", "tasks"},
    GroupedTask: {"in_set"},
    Locks: {"held", "key_of", "ending", "ends_ms", "ending_count"},
}


def picture(thing: object) -> object:
    """Return plain values that are equal when two states are."""
    if is_dataclass(thing) and not isinstance(thing, type):
        hidden = WORKED_OUT.get(type(thing), set())
        shown = {one.name: picture(getattr(thing, one.name)) for one in fields(thing) if one.name not in hidden}
        return shown | dict(_instead(thing))
    if isinstance(thing, dict):
        return [(picture(key), picture(value)) for key, value in thing.items()]
    if isinstance(thing, list | tuple | deque):
        return [picture(item) for item in thing]
    assert thing is None or isinstance(thing, int | str | bytes | bytearray), thing
    return thing


def _instead(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, State):
        yield "tasks", [(task_id, _holder(thing.tasks[task_id])) for task_id in sorted(thing.tasks)]
        yield "extras", [(task_id, picture(thing.extras[task_id])) for task_id in sorted(thing.extras)]
    elif isinstance(thing, Assignment):
        spans = thing.spans(0, len(thing.ids))
        yield "length", len(thing.ids)
        yield "held", [(thing.ids[lo:hi], thing.messages[lo:hi]) for lo, hi in spans]
        yield "places", [row for span in spans for place in thing.places(*span) for row in _places(*place)]
    elif isinstance(thing, PendingQueue):
        yield "places", [row for part in thing.parts() for row in _places(*part)]
    elif isinstance(thing, DueIndex):
        yield "tasks", [picture(task) for task in thing.sorted()]
    elif isinstance(thing, Groups):
        yield "names", sorted(thing.name_of.items())
        yield "tasks", [picture(task) for name, _ in thing.sizes() for task in thing.waiting(name)]
    elif isinstance(thing, Locks):
        yield "held", sorted(thing.held.items())
        yield "keys", sorted(thing.key_of.items())
        yield "first end", thing.first_expiry_ms()
    elif isinstance(thing, KeptTasks):
        yield "tasks", [(shelf.until_s, task_id, shelf.message(task_id)) for shelf, task_id in thing.in_order()]
        yield "first end", thing.first_s()


def _places(segment: Segment, lo: int, hi: int) -> list[tuple[object, ...]]:
    return [(segment.ordinal + i, segment.ids[i], segment.messages[i], segment.since_ms(i)) for i in range(lo, hi)]


def _holder(holder: object) -> object:
    if isinstance(holder, Assignment):
        return holder.session, holder.position
    if isinstance(holder, Shelf):
        return holder.until_s
    if isinstance(holder, GroupedTask):
        return holder.group, holder.in_set
    return str(holder.state) if isinstance(holder, TimedTask) else "pending"
