"""Does the queue keep its promises in every history, and would the simulator notice if not?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from random import SystemRandom

import pytest

from tests.simulator.control_mutants import CONTROL_MUTANTS
from tests.simulator.history import Report, divided_seeds, run
from tests.simulator.mutants import MUTANTS, planted
from tests.simulator.promises import BrokenPromiseError
from tests.simulator.sharing_mutants import SHARING_MUTANTS

OF_SEVERAL_PARTITIONS = {**SHARING_MUTANTS, **CONTROL_MUTANTS}
FIXED_COUNT = 160
NEW_COUNT = 60
CAUGHT_WITHIN = 80
# Of those with several partitions, which are some three times as long.
CAUGHT_WITHIN_DIVIDED = 50
# So few histories may miss some of what is rare; `make simulate` demands all.
MISSED_MAX = 4

pytestmark = pytest.mark.timeout(900)


def test_every_history_keeps_every_promise() -> None:
    reports = run_many(range(FIXED_COUNT))

    # A world without tasks, or without servers that are lost, would prove nothing.
    assert reports.acknowledged_count > 20 * FIXED_COUNT
    assert reports.recovered_count > FIXED_COUNT
    assert reports.replied_count > FIXED_COUNT
    assert reports.folded_count > FIXED_COUNT / 10
    assert reports.checkpoint_count > FIXED_COUNT
    never = reports.unhit()
    assert len(never) <= MISSED_MAX, f"nobody ever came to {never}"


def test_histories_that_nobody_has_seen_keep_every_promise() -> None:
    first = SystemRandom().randrange(10**6, 10**12)

    assert run_many(range(first, first + NEW_COUNT)).history_count == NEW_COUNT


def test_a_seed_is_a_history_in_any_process() -> None:
    told = {one_run(7, hash_seed) for hash_seed in ("1", "2")}

    assert len(told) == 1
    assert run(7).digest.hex() in told.pop()


def one_run(seed: int, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulator", "--seed", str(seed)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_a_failure_says_how_to_see_it_again() -> None:
    with (
        planted("locks are not taken"),
        pytest.raises(BrokenPromiseError, match=r"python -m tests.simulator --seed \d+"),
    ):
        run_many(range(CAUGHT_WITHIN))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_variant_is_caught(name: str) -> None:
    with planted(name), pytest.raises(BrokenPromiseError, match="seed"):
        run_many(range(CAUGHT_WITHIN))


@pytest.mark.parametrize("name", OF_SEVERAL_PARTITIONS)
def test_a_wrong_way_to_share_out_partitions_is_caught(name: str) -> None:
    with OF_SEVERAL_PARTITIONS[name](), pytest.raises(BrokenPromiseError, match="seed"):
        run_many(divided_seeds(CAUGHT_WITHIN_DIVIDED))


def run_many(seeds: Iterable[int]) -> Report:
    total = Report(history_count=0)
    for seed in seeds:
        total.add(run(seed))
    return total
