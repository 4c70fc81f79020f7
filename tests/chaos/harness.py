"""How do producers and workers fare when they, their keepers and the broker are struck at any moment?

Contract: `run` begins with one worker put to sleep beyond its lease, deals every blow once in the order of the seed and goes on at random
until `seconds` are over, waits until the queue is drained, ends everything it started and returns the account. A seed gives the same blows
in the same order; what they hit depends on the machine.
Not obvious: what a killed worker held comes back a lease later, so a run ends half a minute after its last blow. A task that kills its
process takes a lease and more: it is dealt first.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from pathlib import Path

import asynq_compat as asynq
from asynq_compat.journals.journal import queue_journal_name
from tests.chaos.account import Account, settle
from tests.chaos.blows import Hand
from tests.chaos.fleet import Fleet
from tests.chaos.ground import FileGround, Ground, KafkaGround
from tests.chaos.hand import STOPPED
from tests.chaos.recording import Recorder
from tests.chaos.work import QUEUE, SLOTS, view_of
from tests.interop.keeper_story import store_of
from tests.services.waiting import wait_until

# From so many seconds on there is time for blows that last.
LASTING_FROM_S = 60.0
SLEEP_S = 33.0  # a lease and a little
_DRAINED_WITHIN_S = 400.0
_WORKS_WITHIN_S = 300.0
_WORK_S = 0.3
_BETWEEN_BLOWS_S = (0.2, 1.0)


def run(journal: str, folder: Path, *, seconds: float, seed: int, partitions: int = 1) -> Account:
    """Run it on "sqlite" or "kafka", on a queue of so many partitions; `folder` takes ledgers, logs and the SQLite file."""
    ground: Ground = KafkaGround(folder) if journal == "kafka" else FileGround(folder)
    chance = random.Random(seed)
    fleet = Fleet(ground.url, folder)
    _make_queue(ground.url, partitions)
    recorders = [Recorder(ground.url, QUEUE, partition) for partition in range(partitions)]
    hand = Hand(ground, fleet, chance, folder, partitions, lasting=seconds >= LASTING_FROM_S)
    try:
        fleet.start_all()
        _strike(hand, fleet, chance, seconds)
        fleet.end_producers()
        with asynq.Inspector(ground.url) as inspector:
            _drain(fleet, inspector)
            given: set[str] = set()
            wait_until(lambda: _do_all_work(hand, fleet, given), "every worker takes tasks again", _WORKS_WITHIN_S)
            _drain(fleet, inspector)
            views = {**fleet.views(), "inspector": view_of(inspector)}
        fleet.end_workers()
        fleet.problems += [problem for recorder in recorders for problem in recorder.finish()]
        histories = [recorder.histories for recorder in recorders]
        account = settle(ground.url, folder, histories, fleet, hand.poison_count, views)
        if account.problems and isinstance(ground, FileGround):
            shutil.copytree(ground.disk.folder, folder / "looked at")
    finally:
        fleet.close()
        hand.close()
        for recorder in recorders:
            recorder.close()
        ground.close()
    account.counts[f"disk: {ground.disk.kind}"] = 1
    return account


def _make_queue(url: str, partitions: int) -> None:
    store = store_of(url)
    store.partition_count(queue_journal_name(QUEUE), partitions)
    store.close()


def _strike(hand: Hand, fleet: Fleet, chance: random.Random, seconds: float) -> None:
    pause = threading.Event()
    began_s = time.monotonic()
    first = [name for name in hand.blows if name.startswith("deadly") or name == STOPPED]
    every = [name for name in hand.blows if name not in first]
    again = [name for name in every if name != "broker away" or seconds > 2 * LASTING_FROM_S]
    again += [STOPPED] if seconds >= LASTING_FROM_S else []
    waiting = first + chance.sample(every, len(every))
    while waiting or time.monotonic() - began_s < seconds:
        waiting = waiting or chance.sample(again, len(again))
        if not fleet.sleeper and (not fleet.counts["worker slept beyond its lease"] or len(waiting) == len(again)):
            fleet.put_to_sleep(chance.choice(fleet.awake("worker")), SLEEP_S)
        pause.wait(chance.uniform(*_BETWEEN_BLOWS_S))
        fleet.look()
        hand.deal(waiting.pop(0))


def _drain(fleet: Fleet, inspector: asynq.Inspector) -> None:
    wait_until(lambda: _is_drained(fleet, inspector), "the queue is drained, all are awake", _DRAINED_WITHIN_S)


def _do_all_work(hand: Hand, fleet: Fleet, given: set[str]) -> bool:
    """Whoever was struck, or slept, works like the others once all is over."""
    if not (idlers := fleet.idlers(given)):
        return True
    given |= hand.give_work(len(idlers) * SLOTS * 2)
    threading.Event().wait(_WORK_S)
    return False


def _is_drained(fleet: Fleet, inspector: asynq.Inspector) -> bool:
    fleet.look()
    info = inspector.get_queue_info(QUEUE)
    return fleet.all_awake and info.size == info.completed + info.archived
