"""Does a machine hold what stands in Redis?

Contract: states with their order and due times, messages, results, counters of the day and in total, the pause, and the locks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import decode_message
from tests.differential.machine_side import MachineSide
from tests.differential.snapshot import Snapshot

_TIMED = (TaskState.SCHEDULED, TaskState.RETRY, TaskState.ARCHIVED, TaskState.COMPLETED)


def machine_differences(
    queue: str, database: Snapshot, side: MachineSide, lock_ends_at_ms: Mapping[str, int], now_s: int
) -> list[str]:
    """Say, a line each, in what the machine differs from the database."""
    prefix = f"asynq:{{{queue}}}:"
    lines: list[str] = []
    for state in (TaskState.PENDING, TaskState.ACTIVE, *_TIMED):
        lines += _state_differences(prefix, database, side, state)
    counts = side.machine.counts()
    day = _day(now_s)
    numbers = {
        "processed": (_number(database, f"{prefix}processed:{day}"), counts.processed),
        "failed": (_number(database, f"{prefix}failed:{day}"), counts.failed),
        "processed ever": (_number(database, f"{prefix}processed"), counts.processed_total),
        "failed ever": (_number(database, f"{prefix}failed"), counts.failed_total),
        "paused": (int(f"{prefix}paused" in database), int(counts.is_paused)),
    }
    lines += [f"{queue} {name}: Redis {seen}, machine {has}" for name, (seen, has) in numbers.items() if seen != has]
    lines += _lock_differences(prefix, database, side, lock_ends_at_ms)
    return lines + _group_differences(prefix, database, side)


def _group_differences(prefix: str, database: Snapshot, side: MachineSide) -> list[str]:
    """Say in what groups and sets differ; which groups are announced is not looked at: G7, G8."""
    index = database.get(f"{prefix}aggregation_sets")
    entries = index.items if index else []
    assert isinstance(entries, list)
    ends = {key.decode(): int(at) for key, at in zip(entries[::2], entries[1::2], strict=True)}
    groups, sets = {}, []
    for key, value in database.items():
        name = key.removeprefix(f"{prefix}g:")
        if name != key and isinstance(value.items, list):
            waiting = [(task.decode(), int(at)) for task, at in zip(value.items[::2], value.items[1::2], strict=True)]
            if key in ends:
                sets.append((name.rpartition(":")[0], ends[key], waiting))
            else:
                groups[name] = waiting
    state = side.machine.state.groups
    has = {name: [(task.task_id, task.score) for task in state.waiting(name)] for name, _ in state.sizes()}
    has_sets = [(one.group, one.expires_s, [(t.task_id, t.score) for t in one.tasks]) for one in state.sets.values()]
    lines = [] if groups == has else [f"{prefix}groups: Redis {groups}, machine {has}"]
    return lines if sorted(sets) == sorted(has_sets) else [*lines, f"{prefix}sets: Redis {sets}, machine {has_sets}"]


def _state_differences(prefix: str, database: Snapshot, side: MachineSide, state: TaskState) -> list[str]:
    value = database.get(f"{prefix}{state}")
    items = value.items if value else []
    assert isinstance(items, list)
    due: list[int | None]
    if state in _TIMED:
        ids, due = [item.decode() for item in items[::2]], [int(score) for score in items[1::2]]
    else:
        ids, due = [item.decode() for item in reversed(items)], [None] * len(items)
    views = side.listed(state)
    if (ids, due) != ([view.task_id for view in views], [view.due_at for view in views]):
        told = [(view.task_id, view.due_at) for view in views]
        return [f"{prefix}{state}: Redis {list(zip(ids, due, strict=True))}, machine {told}"]
    lines = []
    for view in views:
        fields = database[f"{prefix}t:{view.task_id}"].items
        assert isinstance(fields, dict)
        if decode_message(fields[b"msg"]) != decode_message(view.message):
            lines.append(
                f"{view.task_id}: Redis {decode_message(fields[b'msg'])}, machine {decode_message(view.message)}"
            )
        if fields.get(b"result") != view.result:
            lines.append(f"{view.task_id}: result in Redis {fields.get(b'result')!r}, in the machine {view.result!r}")
    return lines


def _lock_differences(prefix: str, database: Snapshot, side: MachineSide, ends_at_ms: Mapping[str, int]) -> list[str]:
    in_redis = {}
    for key, value in database.items():
        if key.startswith(f"{prefix}unique:"):
            assert isinstance(value.items, list)
            in_redis[key] = value.items[0].decode()
    in_machine = side.locks()
    if in_redis != {key: holder for key, (holder, _) in in_machine.items()}:
        return [f"locks: Redis {in_redis}, machine {in_machine}"]
    return [
        f"{key}: ends at {ends_at_ms[key]} in Redis, at {at_ms} in the machine"
        for key, (_, at_ms) in in_machine.items()
        if ends_at_ms[key] != at_ms
    ]


def _number(database: Snapshot, key: str) -> int:
    value = database.get(key)
    if value is None:
        return 0
    assert isinstance(value.items, list)
    return int(value.items[0])


def _day(now_s: int) -> str:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d")
