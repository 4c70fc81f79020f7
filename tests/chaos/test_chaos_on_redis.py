"""Does a Redis that Go and Python share keep its promises when its processes, its network and itself end at any moment?

The blows are those of one seed; what they hit depends on the machine. A failure names the logs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.on_redis.harness import run
from tests.services.redis import RedisServer

SEED = 20
BLOWS = {
    "answers lost",
    "connections dropped",
    "connections half open",
    "deadly task",
    "large payload",
    "network cut",
    "network slow",
    "out of memory",
    "producer killed",
    "read-only",
    "redis killed",
    "redis restarted",
    "redis stopped",
    "scripts flushed",
    "worker killed",
    "worker killed that has processes",
    "worker process killed",
    "worker process stopped",
}
CREW = ("producer-1", "producer-2-go", "worker-1", "worker-2", "worker-3-go")


@pytest.mark.redis
@pytest.mark.go
@pytest.mark.timeout(1200)
def test_every_task_that_go_and_python_share_is_accounted_for(tmp_path: Path, redis_server: RedisServer) -> None:
    del redis_server  # The run starts one of its own; this one says when there is none.

    account = run(tmp_path, seconds=20.0, seed=SEED)

    assert account.problems == []
    assert {word.removeprefix("blow: ") for word in account.counts if word.startswith("blow: ")} == BLOWS
    assert all(account.counts[f"notes of {one}"] for one in CREW), account.counts
    # Whoever has the deadly task may be struck before it comes to kill: it is archived either way.
    struck = ("worker slept beyond its lease", "archived, its worker was lost", "unanswered")
    assert all(account.counts[word] for word in struck), account.counts
