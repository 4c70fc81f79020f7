"""Does a scheduler do its work beside servers, whatever happens to it and to its broker?

Real time: a firing a second.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.engine.scheduling.agenda import Entry
from asynq_compat.engine.scheduling.electing import identity_of, task_id_of
from asynq_compat.rules.cron.schedule import Aligned
from asynq_compat.testing.clock import VirtualClock
from tests.interop.suspending import Suspender
from tests.server.ground import Ground
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

PATIENCE_S = 60.0
PROGRAM = """
import sys
import asynq_compat as asynq

opts = asynq.SchedulerOpts(elect=True, log_level="info")
scheduler = asynq.Scheduler(sys.argv[1], opts)
scheduler.register("@every 1s", asynq.Task("tick", b"tock"), retention=3600)
scheduler.run()
"""
EVERY_SECOND = Entry("", "@every 1s", asynq.Task("tick", b"tock"), (asynq.Retention(3_600),), Aligned(1))


class Program:
    """A scheduler in a process of its own that has begun to fire."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, url], stderr=subprocess.PIPE, text=True)

    def wait_for_start(self) -> None:
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if "Send signal TERM or INT" in line:
                return
        raise AssertionError(f"it did not start: {lines}")

    def end(self, number: int) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextmanager
def programs(url: str, count: int) -> Iterator[list[Program]]:
    running = [Program(url) for _ in range(count)]
    try:
        for one in running:
            one.wait_for_start()
        yield running
    finally:
        for one in running:
            if one.process.poll() is None:
                one.end(signal.SIGKILL)


@contextmanager
def suspending(url: str) -> Iterator[Suspender]:
    """Who stops a program where it does not have the lock of the SQLite file: nobody else could go on."""
    suspender = Suspender(url)
    try:
        yield suspender
    finally:
        suspender.close()


@pytest.fixture
def ran() -> Counter[str]:
    """How often each task was run, by id."""
    return Counter()


def handler_of(ran: Counter[str]) -> Any:
    lock = threading.Lock()

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        with lock:
            ran[asynq.get_task_id(ctx) or ""] += 1

    return handle


def test_of_many_schedulers_one_fires_at_every_instant_though_some_die_and_sleep(
    ground: Ground, ran: Counter[str]
) -> None:
    """Tasks are done, and deleted, long before the one that sleeps comes to fire them."""
    identity = identity_of(EVERY_SECOND)

    def missing(first_s: int, last_s: int) -> list[int]:
        return [at_s for at_s in range(first_s, last_s + 1) if not ran[task_id_of(identity, at_s)]]

    with ground.serving(handler_of(ran)), programs(ground.url, 3) as running, suspending(ground.url) as suspender:
        first_s = int(time.time()) + 1
        wait_until(lambda: not missing(first_s, first_s + 2), "three firings", PATIENCE_S)
        random.shuffle(running)
        killed, sleeping, last = running
        killed.end(signal.SIGKILL)
        suspender.suspend(sleeping.process)
        killed_s = int(time.time())
        wait_until(lambda: not missing(first_s, killed_s + 2), "two of one scheduler", PATIENCE_S)
        sleeping.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not missing(first_s, killed_s + 7), "what the other two make up for", PATIENCE_S)
        for one in (sleeping, last):
            one.end(signal.SIGTERM)
            assert one.process.returncode == 0
        wait_until(lambda: ground.processed() == ran.total(), "the queue's end", PATIENCE_S)

    known = {task_id_of(identity, at_s) for at_s in range(first_s - 600, int(time.time()) + 1)}
    assert set(ran) - known == set(), "ids follow from the instants"
    assert [task_id for task_id, count in ran.items() if count != 1] == []


def test_schedulers_without_election_each_fire_as_in_go(ground: Ground) -> None:
    told: list[tuple[object, object]] = []
    opts = asynq.SchedulerOpts(post_enqueue_func=lambda info, err: told.append((info and info.id, err)))
    schedulers = [asynq.Scheduler(ground.broker, opts) for _ in range(2)]
    for scheduler in schedulers:
        scheduler.register("@every 1s", asynq.Task("t"))
        scheduler.start()
    wait_until(lambda: len(told) >= 4, "four firings", PATIENCE_S)
    for scheduler in schedulers:
        scheduler.shutdown()

    assert [err for _, err in told if err is not None] == []
    with asynq.Inspector(ground.broker) as inspector:
        assert {task.id for task in inspector.list_pending_tasks("default")} == {task_id for task_id, _ in told}


def test_a_scheduler_that_is_started_again_goes_on(ground: Ground, ran: Counter[str]) -> None:
    with ground.serving(handler_of(ran)):
        for count in (1, 2):
            with asynq.Scheduler(ground.broker) as scheduler:
                scheduler.register("@every 1s", asynq.Task("t"))
                wait_until(lambda: ran.total() >= count, f"task {count}", PATIENCE_S)  # noqa: B023

    with asynq.Inspector(ground.broker) as inspector:
        assert inspector.scheduler_entries() == []


def test_a_scheduler_leaves_no_thread_behind(ground: Ground) -> None:
    before = set(threading.enumerate())
    for elect in (False, True):
        with asynq.Scheduler(ground.url, asynq.SchedulerOpts(elect=elect)) as scheduler:
            scheduler.register("@every 1s", asynq.Task("t"))
            with asynq.Inspector(ground.broker) as inspector:
                wait_until(inspector.queues, "a firing", PATIENCE_S)

    def left() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in before and "timekeeper" in thread.name]

    wait_until(lambda: not left(), "the threads' end", PATIENCE_S)


@pytest.mark.redis
@pytest.mark.parametrize("elect", [False, True], ids=["alone", "elected"])
def test_a_firing_that_an_outage_stopped_is_told_and_made_up_for(elect: bool) -> None:
    """Once; Go loses it. The time is the test's."""
    server, clock = RedisServer(durable=True), VirtualClock()
    told: list[tuple[asynq.TaskInfo | None, Exception | None]] = []
    opts = asynq.SchedulerOpts(post_enqueue_func=lambda info, err: told.append((info, err)), elect=elect)

    def is_made() -> bool:
        clock.advance_s(0.25)  # It is tried again every second.
        return any(info for info, _ in told)

    try:
        with asynq.Scheduler(f"redis://{server.addr}", opts, clock=clock) as scheduler:
            scheduler.register("@every 1h", asynq.Task("t"))
            scheduler.ping()
            server.kill()
            with pytest.raises(asynq.BrokerUnavailableError):
                scheduler.ping()  # What goes out over the broken connection may have arrived; the next try may not.
            clock.advance_s(3_600)
            wait_until(lambda: told, "the error", PATIENCE_S)
            server.start()
            wait_until(is_made, "the task", PATIENCE_S)
        with asynq.Inspector(f"redis://{server.addr}") as inspector:
            ids = [task.id for task in inspector.list_pending_tasks("default")]
    finally:
        server.stop()

    (_, error), (info, _) = told
    assert isinstance(error, asynq.BrokerUnavailableError)
    assert info is not None
    assert ids == [info.id]


@pytest.mark.redis
def test_a_firing_that_the_outage_outlasts_is_given_up_at_the_next_instant(caplog: pytest.LogCaptureFixture) -> None:
    server, clock = RedisServer(durable=True), VirtualClock()
    told: list[Exception | None] = []
    opts = asynq.SchedulerOpts(post_enqueue_func=lambda info, err: told.append(err))
    try:
        with asynq.Scheduler(f"redis://{server.addr}", opts, clock=clock) as scheduler:
            entry_id = scheduler.register("@every 1h", asynq.Task("t"))
            server.kill()
            clock.advance_s(3_600)
            wait_until(lambda: told, "the error", PATIENCE_S)
            scheduler.unregister(entry_id)
            clock.advance_s(3_600)
            wait_until(lambda: "was not enqueued, its next instant has come" in caplog.text, "the end", PATIENCE_S)
    finally:
        server.stop()

    assert len(told) == 1
