"""Does a queue keep its promises when its processes, its keepers and its broker end at any moment?

The blows are those of one seed; what they hit depends on the machine. A failure names the logs; a SQLite file stays beside them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import LASTING_FROM_S, run

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
    "worker killed that has processes",
    "worker process killed",
    "worker process stopped",
}
OF_KAFKA = {"answers lost", "broker killed", "network cut"}
LASTING = {
    "broker away",
    "deadly task, at once",
    "keeper killed behind: confirmed",
    "keeper killed behind: read back",
    "keeper killed behind: state cut",
}


@pytest.mark.own_broker
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("journal", "partitions", "seconds"),
    [
        ("sqlite", 1, 20.0),
        ("sqlite", 4, 20.0),
        pytest.param("kafka", 1, 20.0, marks=pytest.mark.kafka),
        pytest.param("kafka", 4, LASTING_FROM_S, marks=pytest.mark.kafka),
    ],
)
def test_every_task_is_accounted_for(
    journal: str, partitions: int, seconds: float, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if journal == "kafka":
        request.getfixturevalue("kafka_cluster")  # The run starts one of its own; this one says when there is none.

    account = run(journal, tmp_path, seconds=seconds, seed=SEED, partitions=partitions)

    assert account.problems == []
    assert account.counts["acknowledged"] > 0
    dealt = {word.removeprefix("blow: ") for word in account.counts if word.startswith("blow: ")}
    assert dealt == EVERYWHERE | (OF_KAFKA if journal == "kafka" else set()) | (
        LASTING if seconds >= LASTING_FROM_S else set()
    )
    struck = (
        "worker slept beyond its lease",
        "keeper killed",
        "worker processes that went with their server",
    )
    assert all(account.counts[word] for word in struck), account.counts
    # Whom the deadly task meets is chance: a server of one process, which it takes down, or one of two, which may be asleep.
    archived = ("tasks archived by a recoverer", "tasks archived, their worker process had died")
    assert any(account.counts[word] for word in archived), account.counts
