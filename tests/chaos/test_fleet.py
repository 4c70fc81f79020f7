"""Does the fleet tell who may end by itself, since its broker is away, from who may not?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.fleet import Fleet
from tests.services.waiting import wait_until

# Its first life notes that it works and ends when it is told to; every other one ends before it has come to anything.
PROGRAM = """
import signal, sys
if sys.argv[2].endswith(".1"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with open(sys.argv[2] + ".0.jsonl", "w") as ledger:
        ledger.write('{"event": "start"}\\n')
    while True:
        signal.pause()
sys.exit(1)
"""
WITHIN_S = 60.0
COUNTED = "worker ended because the broker was away"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet("redis://nobody", tmp_path, {"worker-1": (sys.executable, "-c", PROGRAM)})
    fleet.start_all()
    yield fleet
    fleet.close()


def look_until_it_ends(fleet: Fleet) -> None:
    def has_ended() -> bool:
        fleet.look()
        return bool(fleet.problems or fleet.counts[COUNTED])

    wait_until(has_ended, "it has ended", WITHIN_S)


def test_who_begins_while_the_broker_is_away_may_end(fleet: Fleet) -> None:
    with fleet.outage():
        fleet.kill("worker-1")
    look_until_it_ends(fleet)

    assert fleet.problems == []
    # It may have joined the queue by halves, whose lease runs out.
    assert fleet.lost_count == fleet.counts["worker killed"] + fleet.counts[COUNTED] > 1


def test_who_begins_while_the_broker_is_there_may_not(fleet: Fleet) -> None:
    fleet.kill("worker-1")
    look_until_it_ends(fleet)

    assert ["worker-1 ended by itself with 1" in problem for problem in fleet.problems] == [True]


def test_who_was_at_work_may_not_though_the_broker_is_away(fleet: Fleet) -> None:
    with fleet.outage():
        os.kill(fleet.pids[0], signal.SIGTERM)
    look_until_it_ends(fleet)

    assert ["worker-1 ended by itself with 1" in problem for problem in fleet.problems] == [True]
