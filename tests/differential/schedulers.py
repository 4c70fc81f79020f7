"""What do schedulers tell, on both sides? Entries and history are written, read and withdrawn."""

from __future__ import annotations

from base64 import b64decode
from random import Random
from typing import Any

from asynq_compat.ports.scheduling import HISTORY_COUNT_MAX
from asynq_compat.wire.schedule import SchedulerEnqueueEvent, SchedulerEntry
from asynq_compat.wire.server_info import ZERO_TIME_NS
from tests.differential.world import World

_NS_PER_S = 1_000_000_000


def scheduler_entries(world: World, random: Random) -> None:
    """Publish some entries of a scheduler, or withdraw them, and read what both have."""
    scheduler_id = f"host-1:1:{random.choice('ab')}"
    if random.random() < 0.3:
        world.ours.scheduling.clear_entries(scheduler_id)
        world.go.clear_scheduler_entries(scheduler_id)
        world.count("clear_scheduler_entries")
    else:
        entries = [_entry(world, random, number) for number in range(random.randrange(4))]
        ttl_s = random.choice((3_600, 86_400))
        world.ours.scheduling.write_entries(scheduler_id, entries, ttl_s)
        world.go.write_scheduler_entries(scheduler_id, [_entry_for_go(entry) for entry in entries], ttl_s)
        world.count("write_scheduler_entries")
    world.same(
        "scheduler entries",
        go=sorted(map(str, map(_plain, world.go.scheduler_entries()))),
        ours=sorted(str(_plain(_entry_for_go(entry))) for entry in world.ours.scheduling.entries()),
    )


def scheduler_history(world: World, random: Random) -> None:
    """Note what an entry enqueued, now and then more than is kept, or forget it, and read a page."""
    entry_id = f"entry-{random.choice('ab')}"
    if random.random() < 0.2:
        world.ours.scheduling.clear_history(entry_id)
        world.go.clear_scheduler_history(entry_id)
        world.count("clear_scheduler_history")
    count = HISTORY_COUNT_MAX + 2 if random.random() < 0.02 else random.randrange(1, 4)
    events = [
        SchedulerEnqueueEvent(
            task_id=f"task-{random.randrange(10**6)}", enqueue_time_ns=world.clock.now_ns() + number * _NS_PER_S + 7
        )
        for number in range(count)
    ]
    for event in events:
        world.ours.scheduling.record_enqueue_event(entry_id, event)
    world.go.record_enqueue_events(entry_id, [_event_for_go(event) for event in events])
    size, page = random.choice((1, 2, 30)), random.randrange(3)
    world.same(
        f"page {page} of {size} events",
        go=world.go.enqueue_events(entry_id, page, size),
        ours=[
            _event_for_go(event)
            for event in world.ours.scheduling.enqueue_events(entry_id, start=page * size, count=size)
        ],
    )
    world.count("record_enqueue_event")


def _entry(world: World, random: Random, number: int) -> SchedulerEntry:
    now_ns = world.clock.now_ns()
    return SchedulerEntry(
        id=f"entry-{number}",
        spec=random.choice(("@every 1h", "0 0 30 2 *")),
        task_type="email",
        task_payload=random.choice((b"", b"\xff\x00")),
        enqueue_options=random.choice(((), ('Queue("low é")', "MaxRetry(3)"))),
        next_enqueue_time_ns=random.choice((ZERO_TIME_NS, now_ns)),
        prev_enqueue_time_ns=random.choice((ZERO_TIME_NS, now_ns - 7)),
    )


def _entry_for_go(entry: SchedulerEntry) -> dict[str, Any]:
    names = ("id", "spec", "task_type", "task_payload")
    return {name: getattr(entry, name) for name in names} | {
        "enqueue_options": list(entry.enqueue_options),
        "next_enqueue_time": _instant(entry.next_enqueue_time_ns),
        "prev_enqueue_time": _instant(entry.prev_enqueue_time_ns),
    }


def _plain(entry: dict[str, Any]) -> list[object]:
    """What Go gives and what it is given in one form: no payload and no options are null there; bytes have been base64."""
    payload = entry["task_payload"] or b""
    data = b64decode(payload) if isinstance(payload, str) else payload
    return [entry[name] for name in sorted(entry) if name not in {"task_payload", "enqueue_options"}] + [
        data,
        entry["enqueue_options"] or [],
    ]


def _event_for_go(event: SchedulerEnqueueEvent) -> dict[str, Any]:
    return {"task_id": event.task_id, "enqueue_time": _instant(event.enqueue_time_ns)}


def _instant(at_ns: int) -> list[int]:
    return [at_ns // _NS_PER_S, at_ns % _NS_PER_S]
