"""Does a scheduler enqueue at each instant, and call the user's functions as it should?

The time is the test's.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import asynq_compat as asynq
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.scheduling import Scheduling
from asynq_compat.testing.clock import VirtualClock
from tests.services.waiting import wait_until


class Told:
    """What the hooks were told, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def opts(self, **fields: Any) -> asynq.SchedulerOpts:
        return asynq.SchedulerOpts(
            pre_enqueue_func=lambda task, opts: self.calls.append(("pre", task.type, tuple(opts))),
            post_enqueue_func=lambda info, err: self.calls.append(("post", info and info.queue, err)),
            enqueue_error_handler=lambda task, opts, err: self.calls.append(("error", task.type, err)),
            **fields,
        )

    def wait_for(self, count: int) -> list[tuple[Any, ...]]:
        wait_until(lambda: len(self.calls) >= count, f"{count} calls")
        return self.calls


def test_a_task_is_enqueued_at_its_instant_and_the_hooks_hear_of_it(broker: Broker, clock: VirtualClock) -> None:
    told = Told()
    with asynq.Scheduler(broker, told.opts(), clock=clock) as scheduler:
        scheduler.register("@every 30s", asynq.Task("report", b"x"), asynq.Queue("low"), max_retry=3)
        clock.advance_s(29)
        assert told.calls == []

        clock.advance_s(1)
        calls = told.wait_for(2)

    assert calls == [("pre", "report", (asynq.Queue("low"), asynq.MaxRetry(3))), ("post", "low", None)]
    with asynq.Inspector(broker, clock=clock) as inspector:
        (task,) = inspector.list_pending_tasks("low")
    assert (task.type, task.payload, task.max_retry) == ("report", b"x", 3)


def test_an_entry_that_comes_while_it_runs_fires_and_one_that_is_unregistered_does_not(
    broker: Broker, clock: VirtualClock
) -> None:
    told = Told()
    with asynq.Scheduler(broker, told.opts(), clock=clock) as scheduler:
        gone = scheduler.register("@every 10s", asynq.Task("gone"))
        scheduler.register("@every 20s", asynq.Task("stays"))
        scheduler.unregister(gone)

        clock.advance_s(20)
        calls = told.wait_for(2)

    assert {call[1] for call in calls if call[0] == "pre"} == {"stays"}


def test_an_error_is_told_to_the_hooks_and_nothing_is_noted(broker: Broker, clock: VirtualClock) -> None:
    told = Told()
    with asynq.Client(broker, clock=clock) as client, asynq.Inspector(broker, clock=clock) as inspector:
        client.enqueue(asynq.Task("t"), unique=3600)
        with asynq.Scheduler(broker, told.opts(), clock=clock) as scheduler:
            entry_id = scheduler.register("@every 10s", asynq.Task("t"), unique=3600)
            clock.advance_s(10)
            calls = told.wait_for(3)

            assert inspector.list_scheduler_enqueue_events(entry_id) == []
    assert [call[0] for call in calls] == ["pre", "post", "error"]
    assert isinstance(calls[1][2], asynq.DuplicateTaskError)
    assert calls[2][2] is calls[1][2]


def test_an_error_is_logged_where_nobody_is_told(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with asynq.Client(broker, clock=clock) as client:
        client.enqueue(asynq.Task("t"), unique=3600)
    with asynq.Scheduler(broker, clock=clock) as scheduler:
        scheduler.register("@every 10s", asynq.Task("t"), unique=3600)
        clock.advance_s(10)
        wait_until(lambda: "scheduler could not enqueue" in caplog.text, "the line")

    assert 'cronspec="@every 10s" task="t"' in caplog.text


@pytest.mark.parametrize("fault", [RuntimeError("boom"), SystemExit(3)], ids=["error", "exit"])
@pytest.mark.parametrize("name", ["pre_enqueue_func", "post_enqueue_func", "enqueue_error_handler"])
def test_a_hook_that_raises_is_logged_and_the_scheduler_goes_on(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture, name: str, fault: BaseException
) -> None:
    calls: list[object] = []

    def raise_it(*args: object) -> None:
        calls.append(args)
        raise fault

    hooks: dict[str, Any] = {name: raise_it}
    with asynq.Client(broker, clock=clock) as client:
        client.enqueue(asynq.Task("t"), unique=3600)
    with asynq.Scheduler(broker, asynq.SchedulerOpts(**hooks), clock=clock) as scheduler:
        scheduler.register("@every 10s", asynq.Task("t"), unique=3600)
        for number in (1, 2):
            clock.advance_s(10)
            wait_until(lambda: len(calls) == number, f"firing {number}")  # noqa: B023

    assert f"{name} raised; the scheduler goes on" in caplog.text


def test_a_slow_hook_delays_no_other_firing(broker: Broker, clock: VirtualClock) -> None:
    may_end, ran = threading.Event(), threading.Semaphore(0)

    def before(task: asynq.Task, opts: Sequence[asynq.Option]) -> None:
        if task.type == "slow":
            may_end.wait(30)
        else:
            ran.release()

    with asynq.Scheduler(broker, asynq.SchedulerOpts(pre_enqueue_func=before), clock=clock) as scheduler:
        scheduler.register("@every 10s", asynq.Task("slow"))
        scheduler.register("@every 10s", asynq.Task("quick"))
        clock.advance_s(10)
        assert ran.acquire(timeout=30)
        clock.advance_s(10)
        assert ran.acquire(timeout=30)
        may_end.set()


def test_a_shutdown_waits_for_the_hook_that_runs(
    broker: Broker, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asynq_compat.engine.scheduling.timekeeper._DRAIN_S", 0.0)
    begun, may_end, info = threading.Event(), threading.Event(), []

    def before(task: asynq.Task, opts: Sequence[asynq.Option]) -> None:
        begun.set()
        may_end.wait(30)

    opts = asynq.SchedulerOpts(pre_enqueue_func=before, post_enqueue_func=lambda one, err: info.append(one))
    scheduler = asynq.Scheduler(broker, opts, clock=clock)
    scheduler.register("@every 10s", asynq.Task("t"))
    scheduler.start()
    clock.advance_s(10)
    assert begun.wait(30)
    ending = threading.Thread(target=scheduler.shutdown)
    ending.start()
    ending.join(0.05)
    assert ending.is_alive()

    may_end.set()
    ending.join(30)

    assert not ending.is_alive()
    assert len(info) == 1


def test_a_hook_may_shut_the_scheduler_down(broker: Broker, clock: VirtualClock) -> None:
    ended = threading.Event()

    def end(info: object, err: object) -> None:
        scheduler.shutdown()
        ended.set()

    scheduler = asynq.Scheduler(broker, asynq.SchedulerOpts(post_enqueue_func=end), clock=clock)
    scheduler.register("@every 10s", asynq.Task("t"))
    scheduler.start()
    clock.advance_s(10)

    assert ended.wait(30)


def test_entries_are_published_an_interval_after_the_start_and_withdrawn_at_the_end(
    broker: Broker, clock: VirtualClock
) -> None:
    opts = asynq.SchedulerOpts(heartbeat_interval=timedelta(milliseconds=50))
    with asynq.Inspector(broker, clock=clock) as inspector:
        with asynq.Scheduler(broker, opts, clock=clock) as scheduler:
            entry_id = scheduler.register("0 3 * * *", asynq.Task("t", b"p"), queue="low", process_in=5)
            wait_until(inspector.scheduler_entries, "the heartbeat")
            (entry,) = inspector.scheduler_entries()
        after = inspector.scheduler_entries()

    assert (entry.id, entry.spec, entry.task.type, entry.task.payload) == (entry_id, "0 3 * * *", "t", b"p")
    assert entry.opts == (asynq.Queue("low"), asynq.ProcessIn(5))
    assert entry.next is not None
    assert (entry.next.isoformat(), entry.prev) == ("2025-01-03T03:00:00+00:00", None)
    assert after == []


class _Heard:
    """A scheduling port that remembers whose histories were cleared; the broker may be away from a step on."""

    def __init__(self, scheduling: Scheduling, away: str = "") -> None:
        self._scheduling = scheduling
        self._away = away
        self.cleared: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduling, name)

    def clear_history(self, entry_id: str) -> None:
        self.cleared.append(entry_id)
        if self._away:
            raise asynq.BrokerUnavailableError("nobody there")
        self._scheduling.clear_history(entry_id)

    def clear_entries(self, scheduler_id: str) -> None:
        if self._away == "clear_entries":
            raise asynq.BrokerUnavailableError("nobody there")
        self._scheduling.clear_entries(scheduler_id)


@pytest.mark.parametrize(("away", "asked_count"), [("clear_entries", 0), ("clear_history", 1)])
def test_an_end_waits_once_for_a_broker_that_is_away_not_once_for_each_entry(
    away: str, asked_count: int, broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    heard: Any = _Heard(broker.scheduling, away)
    with asynq.Scheduler(dataclasses.replace(broker, scheduling=heard), told.opts(), clock=clock) as scheduler:
        for _ in range(3):
            scheduler.register("@every 1s", asynq.Task("t"))
        clock.advance_s(1)
        told.wait_for(6)

    assert len(heard.cleared) == asked_count
    said = (
        "Failed to clear the scheduler entries"
        if not asked_count
        else "Could not clear scheduler history for 3 entries"
    )
    assert said in caplog.text


def test_an_end_says_nothing_of_entries_that_never_fired(broker: Broker, clock: VirtualClock) -> None:
    """There may be thousands, each a round trip."""
    told = Told()
    heard: Any = _Heard(broker.scheduling)
    with asynq.Scheduler(dataclasses.replace(broker, scheduling=heard), told.opts(), clock=clock) as scheduler:
        fired = scheduler.register("@every 1s", asynq.Task("t"))
        for _ in range(5):
            scheduler.register("@every 1h", asynq.Task("t"))
        clock.advance_s(1)
        told.wait_for(2)

    assert heard.cleared == [fired]


def test_the_history_of_an_entry_is_there_until_the_end(broker: Broker, clock: VirtualClock) -> None:
    told = Told()
    with asynq.Inspector(broker, clock=clock) as inspector:
        with asynq.Scheduler(broker, told.opts(), clock=clock) as scheduler:
            entry_id = scheduler.register("@every 10s", asynq.Task("t"))
            for number in (1, 2, 3):
                clock.advance_s(10)
                wait_until(
                    lambda: len(inspector.list_scheduler_enqueue_events(entry_id)) == number,  # noqa: B023
                    f"event {number}",
                )
            events = inspector.list_scheduler_enqueue_events(entry_id)
            page_2 = inspector.list_scheduler_enqueue_events(entry_id, asynq.PageSize(2), asynq.Page(2))
            last_page = inspector.list_scheduler_enqueue_events(entry_id, page_size=2, page=0)
            everything = inspector.list_scheduler_enqueue_events(entry_id, page_size=0)
        after = inspector.list_scheduler_enqueue_events(entry_id)
        tasks = inspector.list_pending_tasks("default")

    assert [event.task_id for event in events] == [task.id for task in reversed(tasks)]
    assert [later.enqueued_at - one.enqueued_at for later, one in itertools.pairwise(events)] == [
        timedelta(seconds=10)
    ] * 2
    assert (page_2, last_page, everything, after) == (events[2:], events[1:], events, [])


def test_a_scheduler_starts_once(broker: Broker) -> None:
    scheduler = asynq.Scheduler(broker)
    scheduler.shutdown()  # Before the start it does nothing.
    scheduler.start()
    with pytest.raises(asynq.ServerStateError, match=r"^asynq: the scheduler is already running$"):
        scheduler.start()
    scheduler.ping()
    scheduler.shutdown()
    scheduler.shutdown()

    with pytest.raises(asynq.ServerStateError, match=r"^asynq: the scheduler has already been stopped$"):
        scheduler.start()
    scheduler.ping()


def test_a_scheduler_that_only_pinged_lets_go_of_its_broker(tmp_path: Path) -> None:
    scheduler = asynq.Scheduler(f"sqlite:///{tmp_path}/q.db")
    scheduler.ping()
    scheduler.shutdown()
    scheduler.ping()
    scheduler.start()
    scheduler.shutdown()


def test_run_ends_when_another_thread_shuts_it_down(broker: Broker) -> None:
    scheduler = asynq.Scheduler(broker)
    running = threading.Thread(target=scheduler.run)
    running.start()
    wait_until(lambda: scheduler._timekeeper is not None, "the start")

    scheduler.shutdown()
    running.join(30)

    assert not running.is_alive()


def test_the_log_tells_gos_story(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    opts = asynq.SchedulerOpts(location="Europe/Berlin")
    with caplog.at_level(logging.INFO, "asynq_compat"), asynq.Scheduler(broker, opts):
        pass

    assert [record.message for record in caplog.records if "cheduler" in record.message] == [
        "Scheduler starting",
        "Scheduler timezone is set to Europe/Berlin",
        "Scheduler shutting down",
        "Scheduler stopped",
    ]


def test_a_zone_by_name_or_object_counts_for_specs_that_name_none(broker: Broker, clock: VirtualClock) -> None:
    """The clock shows 03:04:05 UTC: 04:04 in Berlin, 12:04 in Tokyo."""
    for location in ("Europe/Berlin", ZoneInfo("Europe/Berlin")):
        told = Told()
        with asynq.Scheduler(broker, told.opts(location=location), clock=clock) as scheduler:
            scheduler.register("6 4 * * *", asynq.Task("berlin"))
            scheduler.register("CRON_TZ=Asia/Tokyo 6 12 * * *", asynq.Task("tokyo"))
            scheduler.register("6 5 * * *", asynq.Task("later"))
            clock.advance_s(120)
            calls = told.wait_for(4)
        assert {call[1] for call in calls if call[0] == "pre"} == {"berlin", "tokyo"}
        clock.advance_s(86_400 - 120)
