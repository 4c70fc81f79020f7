"""Do groups, schedulers and semaphores of a program under test go by its sandbox, too?"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta

import asynq_compat as asynq
from asynq_compat.testing import Sandbox, VirtualClock
from tests.services.waiting import wait_until

REDIS = asynq.RedisClientOpt(addr="redis.production:6379")


def test_a_scheduler_fires_when_the_clock_is_moved(asynq_sandbox: Sandbox) -> None:
    scheduler = asynq.Scheduler(REDIS)
    scheduler.register("@every 1h", asynq.Task("report"), queue="low")
    with scheduler:
        asynq_sandbox.assert_not_enqueued("report")
        asynq_sandbox.clock.advance(3600)
        wait_until(lambda: asynq_sandbox.enqueued("report"), "the scheduler fires", 30)

    asynq_sandbox.assert_enqueued("report", queue="low", count=1)
    assert [attempt.error for attempt in asynq_sandbox.run_all(lambda ctx, task: None)] == [None]


def test_what_one_of_many_schedulers_enqueues_is_seen_once() -> None:
    with Sandbox(VirtualClock()) as sandbox, ExitStack() as running:  # It is four minutes past three.
        for _ in range(3):
            scheduler = asynq.Scheduler(REDIS, asynq.SchedulerOpts(elect=True))
            scheduler.register("@every 1h", asynq.Task("report"), queue="low")
            running.enter_context(scheduler)
        sandbox.clock.advance(timedelta(minutes=57))
        wait_until(lambda: sandbox.enqueued("report"), "one of the schedulers fires", 30)
        running.close()  # It waits for what the others are about to do.

        sandbox.assert_enqueued("report", queue="low", count=1)
        assert [attempt.error for attempt in sandbox.run_all(lambda ctx, task: None)] == [None]


def test_a_semaphore_is_held_for_a_handler_of_the_sandbox(asynq_sandbox: Sandbox) -> None:
    held: list[bool] = []
    semaphore = asynq.Semaphore(REDIS, "mail", 1)

    def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        held.append(semaphore.acquire(ctx))
        if task.type == "gives back":
            semaphore.release(ctx)

    for kind in ("gives back", "keeps", "waits in vain"):
        asynq_sandbox.client.enqueue(asynq.Task(kind))
    asynq_sandbox.run_all(handler)
    semaphore.close()

    assert held == [True, True, False]


def _digest(group: str, tasks: list[asynq.Task]) -> asynq.Task:
    return asynq.Task("digest", b" ".join(task.payload or b"" for task in tasks))


def test_a_group_becomes_one_task_when_it_has_waited(asynq_sandbox: Sandbox) -> None:
    ran: list[tuple[str, bytes | None]] = []
    config = asynq.Config(group_aggregator=_digest, group_grace_period=60)
    for word in (b"one", b"two"):
        asynq_sandbox.client.enqueue(asynq.Task("note", word), group="today")
        asynq_sandbox.clock.advance(1)  # Those of one second stand in the order of their ids.

    assert asynq_sandbox.run_all(lambda ctx, task: ran.append((task.type, task.payload)), config) == []
    asynq_sandbox.assert_not_enqueued("digest")
    asynq_sandbox.run_for(lambda ctx, task: ran.append((task.type, task.payload)), 100, config)

    assert ran == [("digest", b"one two")]
    asynq_sandbox.assert_enqueued("digest", payload=b"one two", count=1)
    asynq_sandbox.assert_enqueued("note", group="today", count=2)


def test_without_an_aggregator_groups_wait(asynq_sandbox: Sandbox) -> None:
    asynq_sandbox.client.enqueue(asynq.Task("note"), group="today")

    assert asynq_sandbox.run_for(lambda ctx, task: None, 3600) == []
    assert asynq_sandbox.inspector.get_queue_info("default").aggregating == 1
