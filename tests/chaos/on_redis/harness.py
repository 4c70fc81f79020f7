"""How do Go's and Python's producers and workers fare on one Redis when they, it and the network are struck at any moment?

Contract: `run` begins with one worker put to sleep beyond its lease, deals every blow once in the order of the seed and goes on at random
until `seconds` are over, waits until the queue is drained, ends everything it started and returns the account.
Not obvious: what a killed worker held comes back when its lease has been over for 30 s, Go's rule: a run ends a minute after its last blow.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import asynq_compat as asynq
from tests.chaos.account import Account
from tests.chaos.fleet import Fleet
from tests.chaos.hand import STOPPED
from tests.chaos.on_redis.account import settle
from tests.chaos.on_redis.blows import Hand
from tests.chaos.on_redis.ground import RedisGround, crew
from tests.chaos.work import QUEUE
from tests.services.waiting import wait_until

# Beyond the lease, and from so many seconds on also beyond the time in which others get its tasks.
LASTING_FROM_S = 60.0
SLEEP_S, LONG_SLEEP_S = 33.0, 70.0
_DRAINED_WITHIN_S = 400.0
_WORKS_WITHIN_S = 300.0
# More than Python's workers do in that time: Go's looks every 0.5 to 1.5 s, and finds nothing where they leave nothing.
_WORK_S, _WORK_TASKS = 0.3, 1_500
_BETWEEN_BLOWS_S = (0.2, 1.0)


def run(folder: Path, *, seconds: float, seed: int) -> Account:
    """Run it; `folder` takes ledgers and logs."""
    ground = RedisGround()
    chance = random.Random(seed)
    fleet = Fleet(ground.url, folder, crew())
    hand = Hand(ground, fleet, chance, folder)
    try:
        fleet.start_all()
        _strike(hand, fleet, chance, seconds)
        fleet.end_producers()
        with asynq.Inspector(ground.server.url) as inspector:
            _drain(fleet, inspector)
            given: set[str] = set()
            wait_until(lambda: _do_all_work(hand, fleet, given), "every worker takes tasks again", _WORKS_WITHIN_S)
            _drain(fleet, inspector)
        fleet.end_workers()
        return settle(ground.operator, folder, fleet)
    finally:
        fleet.close()
        hand.close()
        ground.close()


def _strike(hand: Hand, fleet: Fleet, chance: random.Random, seconds: float) -> None:
    pause = threading.Event()
    began_s = time.monotonic()
    first = ["deadly task", STOPPED]
    every = [name for name in hand.blows if name not in first]
    waiting = first + chance.sample(every, len(every))
    every += [STOPPED] if seconds >= LASTING_FROM_S else []
    sleep_s = LONG_SLEEP_S if seconds >= LASTING_FROM_S else SLEEP_S
    while waiting or time.monotonic() - began_s < seconds:
        waiting = waiting or chance.sample(every, len(every))
        if not fleet.sleeper and (not fleet.counts["worker slept beyond its lease"] or len(waiting) == len(every)):
            fleet.put_to_sleep(chance.choice(fleet.awake("worker")), sleep_s)
        pause.wait(chance.uniform(*_BETWEEN_BLOWS_S))
        fleet.look()
        hand.deal(waiting.pop(0))


def _drain(fleet: Fleet, inspector: asynq.Inspector) -> None:
    wait_until(lambda: _is_drained(fleet, inspector), "the queue is drained, all are awake", _DRAINED_WITHIN_S)


def _is_drained(fleet: Fleet, inspector: asynq.Inspector) -> bool:
    fleet.look()
    info = inspector.get_queue_info(QUEUE)
    return fleet.all_awake and info.size == info.completed + info.archived


def _do_all_work(hand: Hand, fleet: Fleet, given: set[str]) -> bool:
    """Whoever was struck, or slept, works like the others once all is over."""
    if not fleet.idlers(given):
        return True
    given |= hand.give_work(_WORK_TASKS)
    threading.Event().wait(_WORK_S)
    return False
