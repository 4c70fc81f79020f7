"""Does a queue keep its promises when its processes and its broker end at any moment?

The blows are those of one seed; what they hit depends on the machine. A failure names the ledgers, which stay.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import run

SECONDS = 20.0
SEED = 20


@pytest.mark.timeout(300)
@pytest.mark.parametrize("journal", ["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_every_task_is_accounted_for(journal: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if journal == "kafka":
        request.getfixturevalue("kafka_cluster")  # The run starts one of its own; this one says when there is none.

    account = run(journal, tmp_path, seconds=SECONDS, seed=SEED)

    assert account.problems == []
    assert account.counts["acknowledged"] > 0
    dealt = {blow for blow in ("producer killed", "worker killed", "broker killed") if account.counts[blow]}
    assert dealt == {"producer killed", "worker killed"} | ({"broker killed"} if journal == "kafka" else set())
    assert account.counts["worker slept beyond its lease"] == 1
