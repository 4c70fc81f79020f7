"""Does a queue keep its promises when its processes, its keepers and its broker end at any moment?

The blows are those of one seed; what they hit depends on the machine. A failure names the logs; a SQLite file stays beside them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import run

SECONDS = 20.0
SEED = 20
EVERYWHERE = {
    "deadly task",
    "disk full",
    "keeper killed behind: chunk",
    "keeper killed behind: journal cut",
    "keeper killed behind: marked",
    "large payload",
    "poison",
    "producer killed",
    "worker killed",
}
BY_JOURNAL = {"sqlite": set(), "kafka": {"answers lost", "broker killed", "network cut"}}


@pytest.mark.own_broker
@pytest.mark.timeout(300)
# Each journal once, since it takes a minute: `make chaos` for the others.
@pytest.mark.parametrize(("journal", "partitions"), [("sqlite", 1), pytest.param("kafka", 4, marks=pytest.mark.kafka)])
def test_every_task_is_accounted_for(
    journal: str, partitions: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if journal == "kafka":
        request.getfixturevalue("kafka_cluster")  # The run starts one of its own; this one says when there is none.

    account = run(journal, tmp_path, seconds=SECONDS, seed=SEED, partitions=partitions)

    assert account.problems == []
    assert account.counts["acknowledged"] > 0
    dealt = {word.removeprefix("blow: ") for word in account.counts if word.startswith("blow: ")}
    assert dealt == EVERYWHERE | BY_JOURNAL[journal]
    struck = (
        "worker slept beyond its lease",
        "worker killed by a task",
        "keeper killed",
        "tasks archived by a recoverer",
    )
    assert all(account.counts[word] for word in struck), account.counts
