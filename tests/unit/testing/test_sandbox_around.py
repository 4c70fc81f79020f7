"""Do schedulers and semaphores of a program under test go by its sandbox, too?"""

from __future__ import annotations

import asynq_compat as asynq
from asynq_compat.testing import Sandbox
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
