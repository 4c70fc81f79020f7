"""Does a worker on Redis go on after each of many outages, without a word from anybody?

Forty in `make test`, two hundred in `make full`: behind most of them a second passes until the worker has a connection again.
"""

from __future__ import annotations

import itertools
import random
import threading

import pytest

import asynq_compat as asynq
from tests.services.ports import HOST
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

SEED = 7
# Every so many outages one that takes longer: a restart of Redis, and connections that nobody hears of any more (a read times out, 3 s).
RESTART_EVERY, HALF_OPEN_EVERY = 20, 40
_LASTS_S = (0.02, 0.15)
# What was given out when its answer was lost comes back when its lease has been over for 30 s, at the recoverer's next look.
_WITHIN_S = 150.0


class Network:
    """A way to a Redis, and what befalls it."""

    def __init__(self, server: RedisServer, chance: random.Random) -> None:
        self._server, self._chance = server, chance
        self._pause = threading.Event()
        self.proxy = Proxy(server.port)
        self._kinds = itertools.cycle((self._drop, self._cut, self._lose_answers, self._drop_twice))

    def suffer(self, number: int) -> str:
        """Deal the outage of that number; return its kind."""
        if number % HALF_OPEN_EVERY == 0:
            self.proxy.half_open()
            return "half open"
        if number % RESTART_EVERY == 0:
            self._server.restart()
            return "restart"
        return next(self._kinds)()

    def _drop(self) -> str:
        self.proxy.drop()
        return "dropped"

    def _drop_twice(self) -> str:
        self._drop()
        self._last()
        self._drop()
        return "dropped twice"

    def _cut(self) -> str:
        self.proxy.cut()
        self._last()
        self.proxy.drop()
        self.proxy.heal()
        return "cut and dropped"

    def _lose_answers(self) -> str:
        self.proxy.lose_answers()
        self._last()
        self.proxy.heal()
        return "answers lost"

    def _last(self) -> None:
        self._pause.wait(self._chance.uniform(*_LASTS_S))


@pytest.mark.redis
@pytest.mark.timeout(600)
@pytest.mark.parametrize("outages", [40, pytest.param(200, marks=pytest.mark.full)])
def test_a_worker_takes_a_task_after_each_of_many_outages(outages: int) -> None:
    """Handled at least once each: a task whose settlement was lost may run again."""
    redis = RedisServer(durable=True)
    network = Network(redis, random.Random(SEED))
    handled: set[str] = set()
    server = asynq.Server(f"redis://{HOST}:{network.proxy.port}", asynq.Config(concurrency=4, task_check_interval=0.2))
    server.start(lambda ctx, task: handled.add(task.type))
    try:
        with asynq.Client(redis.url) as client:
            for number in range(1, outages + 1):
                kind = network.suffer(number)
                task_type = f"{number}: {kind}"
                client.enqueue(asynq.Task(task_type))
                wait_until(lambda wanted=task_type: wanted in handled, f"the task behind outage {task_type}", _WITHIN_S)  # type: ignore[misc]
    finally:
        server.shutdown()
        network.proxy.close()
        redis.stop()

    assert len(handled) == outages
