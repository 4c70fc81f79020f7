"""What does a scheduler do while its broker does not answer, and how does it end then?

The time is the test's.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.ports.broker import Broker
from asynq_compat.testing.clock import VirtualClock
from tests.services.waiting import wait_until


class _Away:
    """A producing port that does not answer: it raises at once, or stands until it is told to go on."""

    def __init__(self, producing: Any, stands: bool = False) -> None:
        self._producing = producing
        self.is_away = True
        self.stands = stands
        self.asked: list[Any] = []
        self.goes_on = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producing, name)

    def enqueue(self, requests: Any) -> Any:
        self.asked += requests
        if self.stands:
            self.goes_on.wait(60)
        if self.is_away:
            raise asynq.BrokerUnavailableError("nobody there")
        return self._producing.enqueue(requests)


class _Standing:
    """A scheduling port that withdraws nothing until it is told to go on."""

    def __init__(self, scheduling: Any, goes_on: threading.Event) -> None:
        self._scheduling = scheduling
        self._goes_on = goes_on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduling, name)

    def clear_entries(self, scheduler_id: str) -> None:
        self._goes_on.wait(60)


def test_an_outage_is_told_once_for_each_queue_and_what_was_lost_once_for_each_entry(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    away: Any = _Away(broker.producing)
    told: list[Exception | None] = []

    def lost_lines() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        return [line for line in lines if line.startswith("the periodic task") and "was not enqueued" in line]

    opts = asynq.SchedulerOpts(post_enqueue_func=lambda info, err: told.append(err))
    with asynq.Scheduler(dataclasses.replace(broker, producing=away), opts, clock=clock) as scheduler:
        for kind in ("a", "b", "c"):
            scheduler.register("@every 5s", asynq.Task(kind), queue="low" if kind == "c" else "default")
        keeper = scheduler._timekeeper
        assert keeper is not None
        for count in (3, 6, 9):  # Each firing is tried until the next one, then lost.
            clock.advance_s(5)
            wait_until(lambda: len(told) == count, f"{count} errors")  # noqa: B023
            # Not before each has its next try: who fails later waits from then on.
            wait_until(lambda: len(keeper._again) == 3, "each waits for its next try")
            asked_count = len(away.asked)
            clock.advance_s(1)
            wait_until(lambda: len(away.asked) >= asked_count + 3, "another try")  # noqa: B023
        wait_until(lambda: len(set(lost_lines())) == 3, "what is lost", 60)
        assert keeper is not None
        wait_until(lambda: keeper._running_count == 0, "the last try", 60)
        away.is_away = False
        clock.advance_s(5)
        wait_until(lambda: told.count(None) >= 3, "the tasks")

    lines = [record.getMessage() for record in caplog.records if "periodic task" in record.getMessage()]
    begun = [line for line in lines if line.endswith("wait for the broker: nobody there")]
    lost = lost_lines()
    assert sorted(begun) == [
        f'periodic tasks for queue "{queue}" wait for the broker: nobody there' for queue in ("default", "low")
    ]
    assert len(lost) == len(set(lost)) == 3
    assert len([line for line in lines if line.startswith("Over after")]) == 5


def test_an_end_waits_for_no_firing_that_waits_for_a_broker_that_does_not_answer(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """40 firings, of which 32 have a thread."""
    away: Any = _Away(broker.producing, stands=True)
    begun: list[str] = []
    scheduler = asynq.Scheduler(
        dataclasses.replace(broker, producing=away),
        asynq.SchedulerOpts(pre_enqueue_func=lambda task, options: begun.append(task.type)),
        clock=clock,
    )
    for _ in range(40):
        scheduler.register("@every 1h", asynq.Task("t"))
    scheduler.start()
    clock.advance_s(3_600)
    wait_until(lambda: len(begun) == 32, "32 firings")
    ending = threading.Thread(target=scheduler.shutdown)
    ending.start()
    wait_until(lambda: scheduler._timekeeper is not None and scheduler._timekeeper.stopping.is_set(), "the end")
    away.goes_on.set()
    ending.join(60)

    assert not ending.is_alive()
    assert len(begun) == 32
    assert 'the periodic task cronspec="@every 1h" task="t" is not enqueued here, 40 times' in caplog.text


def test_an_end_goes_on_without_a_broker_that_does_not_answer(
    broker: Broker, clock: VirtualClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asynq_compat.engine.scheduling.timekeeper._DRAIN_S", 0.05)
    monkeypatch.setattr("asynq_compat.scheduler._END_GRACE_AWAY_S", 0.05)
    away: Any = _Away(broker.producing, stands=True)
    standing: Any = _Standing(broker.scheduling, away.goes_on)
    scheduler = asynq.Scheduler(dataclasses.replace(broker, producing=away, scheduling=standing), clock=clock)
    scheduler.register("@every 1h", asynq.Task("t"))
    scheduler.start()
    clock.advance_s(3_600)
    wait_until(lambda: len(away.asked) == 1, "the firing")
    scheduler.shutdown()

    assert not away.goes_on.is_set()
    assert "firings still run after 0.05 s: the scheduler ends without them" in caplog.text
    assert "The broker does not answer, the scheduler ends without it" in caplog.text
    away.goes_on.set()
    wait_until(lambda: scheduler._timekeeper is not None and scheduler._timekeeper._running_count == 0, "its end", 60)
