"""Do Go's schedulers and ours see each other's entries and history, and does each side's worker run what the other's scheduler enqueues?"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis

import asynq_compat as asynq
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.ports.scheduling import Firing, NotFired
from asynq_compat.rules.instants import EPOCH
from tests.interop.go_oracle import Oracle
from tests.interop.redis_tools import broker_at, request, settings_of
from tests.services.waiting import wait_until

S = 1_000_000_000
WAIT_S = 60.0
AT = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
# An option, as the oracle takes it.
OPTIONS: list[tuple[asynq.Option, dict[str, Any]]] = [
    (asynq.Queue("low é"), {"Queue": "low é"}),
    (asynq.MaxRetry(3), {"MaxRetry": 3}),
    (asynq.Timeout(90.5), {"Timeout": 90_500_000_000}),
    (asynq.Deadline(AT), {"Deadline": int(AT.timestamp()) * S}),
    (asynq.Unique(3_600), {"Unique": 3_600 * S}),
    (asynq.ProcessIn(0.25), {"ProcessIn": S // 4}),
    (asynq.ProcessAt(AT), {"ProcessAt": int(AT.timestamp()) * S}),
    (asynq.Retention(timedelta(days=2)), {"Retention": 2 * 86_400 * S}),
]
# Go's inspector loses these (G31).
LOST: list[tuple[asynq.Option, dict[str, Any]]] = [
    (asynq.TaskID("an-id"), {"TaskID": "an-id"}),
    (asynq.Group("a-group"), {"Group": "a-group"}),
    (asynq.Queue("with)parenthesis"), {"Queue": "with)parenthesis"}),
]


def instant(at: list[int]) -> datetime | None:
    """An instant of the oracle's; None for Go's zero time."""
    return None if at == [-62_135_596_800, 0] else EPOCH + timedelta(seconds=at[0], microseconds=at[1] // 1_000)


def seen_by_go(oracle: Oracle, url: str) -> list[tuple[object, ...]]:
    return sorted(
        (
            e["id"],
            e["spec"],
            e["task_type"],
            e["task_payload"],
            tuple(e["enqueue_options"]),
            str(instant(e["next_enqueue_time"])),
            str(instant(e["prev_enqueue_time"])),
        )
        for e in oracle.call("inspector.scheduler_entries", redis=url)
    )


def seen_by_us(url: str, *lost: asynq.Option) -> list[tuple[object, ...]]:
    """Our view in the oracle's terms, without the options that Go loses."""
    with asynq.Inspector(url) as inspector:
        return sorted(
            (
                e.id,
                e.spec,
                e.task.type,
                b64encode(e.task.payload or b"").decode(),
                tuple(str(option) for option in e.opts if option not in lost),
                str(e.next),
                str(e.prev),
            )
            for e in inspector.scheduler_entries()
        )


Views = tuple[list[tuple[object, ...]], list[tuple[object, ...]], list[tuple[asynq.Option, ...]]]


def look_at_six(url: str, oracle: Oracle) -> Views:
    """What each side sees of six entries, and their options; where a heartbeat comes too late, some are away for a moment."""
    looks: list[Views] = []

    def are_all_there() -> bool:
        with asynq.Inspector(url) as inspector:
            options = [entry.opts for entry in inspector.scheduler_entries()]
        looks.append((seen_by_go(oracle, url), seen_by_us(url, *(option for option, _ in LOST)), options))
        return {len(seen) for seen in looks[-1]} == {6}

    wait_until(are_all_there, "six entries", WAIT_S)
    return looks[-1]


def test_entries_of_both_languages_look_the_same_to_both_inspectors(redis_url: str, oracle: Oracle) -> None:
    every = [*OPTIONS, *LOST]
    specs = ["@every 1h", "CRON_TZ=Asia/Tokyo 30 4 * * mon-fri", "0 0 30 2 *"]
    ids: list[str] = oracle.call(
        "scheduler.start",
        name="go",
        redis=redis_url,
        zone="America/New_York",
        heartbeat_interval_ns=S,
        entries=[
            {"spec": spec, "type": "go:é", "payload": b"\xff\x00", "options": [wish for _, wish in every]}
            for spec in specs
        ],
    )
    opts = asynq.SchedulerOpts(heartbeat_interval=1, location="America/New_York")
    with asynq.Scheduler(redis_url, opts) as scheduler:
        task, options = asynq.Task("py:é", b"\xff\x00"), [option for option, _ in every]
        ids += [scheduler.register(spec, task, *options) for spec in specs]

        by_go, by_us, all_options = look_at_six(redis_url, oracle)
        oracle.call("scheduler.shutdown", name="go")
    after = seen_by_go(oracle, redis_url)

    assert sorted(ids) == [one[0] for one in by_go]
    assert by_go == by_us
    assert set(all_options) == {tuple(option for option, _ in every)}
    on_the_clock = {one[1:2] + one[4:] for one in by_us if one[1] != "@every 1h"}
    assert len(on_the_clock) == 2, "both languages have the same instants and options"
    assert after == []


def test_keys_are_gos_after_a_heartbeat_and_after_the_end(redis_url: str) -> None:
    """The entries' list and its place in the index, with twice the interval; the history is gone with its entry."""
    with redis.Redis.from_url(redis_url) as database:
        with asynq.Scheduler(redis_url, asynq.SchedulerOpts(heartbeat_interval=1)) as scheduler:
            entry_id = scheduler.register("@every 1s", asynq.Task("t"))
            wait_until(lambda: database.exists("asynq:schedulers"), "the heartbeat", WAIT_S)
            wait_until(lambda: database.zcard(f"asynq:scheduler_history:{entry_id}") >= 2, "two events", WAIT_S)
            (name,) = database.zrange("asynq:schedulers", 0, -1)
            looks: list[tuple[bytes, int, int]] = []

            def is_there() -> bool:
                with database.pipeline() as at_once:
                    looks.append(tuple(at_once.type(name).pttl(name).llen(name).execute()))
                return looks[-1][0] != b"none"

            wait_until(is_there, "a heartbeat in time", WAIT_S)
            kind, ttl_ms, length = looks[-1]
        left = {key for key in database.keys("asynq:*") if b"schedul" in key}

    assert name.startswith(b"asynq:schedulers:{")
    assert (kind, length) == (b"list", 1)
    assert 0 < ttl_ms <= 2_000
    assert left == set()


def test_history_of_one_language_is_read_by_the_other(redis_url: str, oracle: Oracle) -> None:
    (go_id,) = oracle.call(
        "scheduler.start",
        name="history",
        redis=redis_url,
        zone="UTC",
        heartbeat_interval_ns=S,
        entries=[{"spec": "@every 1s", "type": "go", "payload": b""}],
    )
    with (
        asynq.Inspector(redis_url) as inspector,
        asynq.Scheduler(redis_url) as scheduler,
    ):
        py_id = scheduler.register("@every 1s", asynq.Task("py"))
        for entry_id in (go_id, py_id):
            wait_until(
                lambda: len(inspector.list_scheduler_enqueue_events(entry_id)) >= 3,  # noqa: B023
                "three events",
                WAIT_S,
            )
        oracle.call("scheduler.shutdown", name="history")
        assert inspector.list_scheduler_enqueue_events(go_id) == []
        scheduler.unregister(py_id)  # Its history stays, and what runs may still be noted.
        for page in (1, 2):

            def views(page: int = page) -> tuple[list[object], list[object]]:
                by_us = inspector.list_scheduler_enqueue_events(py_id, page_size=1, page=page)
                by_go = oracle.call("inspector.enqueue_events", redis=redis_url, entry_id=py_id, size=1, page=page)
                return [(event.task_id, event.enqueued_at) for event in by_us], [
                    (event["task_id"], instant(event["enqueue_time"])) for event in by_go
                ]

            wait_until(lambda: views()[0] == views()[1] != [], "the same event", WAIT_S)


def test_a_go_worker_runs_what_our_elected_scheduler_enqueues_and_ours_what_gos_does(
    redis_url: str, go_program: Callable[[str], Path]
) -> None:
    with Oracle(go_program("oracle")) as go_oracle:
        _cross(redis_url, go_oracle)


def _cross(redis_url: str, go_oracle: Oracle) -> None:
    go_oracle.call("server.start", name="go", redis=redis_url, concurrency=2, queues={"for-go": 1}, log_level="fatal")
    ran = threading.Semaphore(0)
    server = asynq.Server(redis_url, asynq.Config(queues={"for-us": 1}))
    server.start(lambda ctx, task: ran.release())
    go_oracle.call(
        "scheduler.start",
        name="go",
        redis=redis_url,
        zone="UTC",
        heartbeat_interval_ns=S,
        entries=[{"spec": "@every 1s", "type": "go", "payload": b"", "options": [{"Queue": "for-us"}]}],
    )
    with asynq.Scheduler(redis_url, asynq.SchedulerOpts(elect=True)) as scheduler:
        scheduler.register("@every 1s", asynq.Task("py", b"x"), queue="for-go")
        events = go_oracle.wait_for(lambda seen: sum(e["event"] == "start" for e in seen) >= 2, WAIT_S)
        for _ in range(2):
            assert ran.acquire(timeout=WAIT_S)
    server.shutdown()

    ids = [event["task_id"] for event in events if event["event"] == "start"]
    assert len(set(ids)) == len(ids)


def test_the_last_thousand_firings_are_remembered_and_none_before_them_is_made(redis_url: str) -> None:
    """So a request that was under way for as long, of a process that stood still, fires nothing twice."""
    now_s = int(time.time())
    key = "asynq:{default}:fired:e"
    with redis.Redis.from_url(redis_url) as database, broker_at(settings_of(redis_url)) as broker:
        database.zadd(key, {f"{at_s} 1 other": at_s for at_s in range(now_s + 1, now_s + 1_000)})
        outcomes = [
            broker.scheduling.fire(request(), Firing("e", at_s, "us")) for at_s in (now_s, now_s - 1, now_s + 1_000)
        ]
        count, first = database.zcard(key), database.zrange(key, 0, 0)

    assert outcomes == [EnqueueStatus.ENQUEUED, NotFired.TOO_LATE, EnqueueStatus.ENQUEUED]
    assert (count, first) == (1_000, [b"%d 1 other" % (now_s + 1)])
