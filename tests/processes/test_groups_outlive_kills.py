"""Is each task of a group aggregated once, however many servers die at it?"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.services.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
# So many groups that a blow mostly meets a batch of sets.
SERVERS, GROUPS = 3, 60
BLOWS_S = 40.0
# A set that nobody finished returns after two minutes.
PATIENCE_S = 400.0


def start(url: str, file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.processes.groups_program", url, str(file)]
    return subprocess.Popen(command, cwd=ROOT)


def parts(file: Path) -> Counter[str]:
    """Count the parts of all joined tasks; one that ran twice is one task."""
    lines = file.read_text().splitlines() if file.exists() else []
    joined = dict(line.split(" ", 1) for line in lines if " " in line)
    return Counter(part for payload in joined.values() for part in payload.split(","))


@pytest.mark.full
@pytest.mark.timeout(900)
def test_each_task_of_a_group_is_aggregated_once(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path / 'tasks.db'}", tmp_path / "joined"
    servers = [start(url, file) for _ in range(SERVERS)]
    count = kills = 0
    pace = threading.Event()  # Never set: the blows come at their own pace, nothing waits for it.
    try:
        with asynq.Client(url) as client:
            ends_at = time.monotonic() + BLOWS_S
            while time.monotonic() < ends_at:
                for _ in range(random.randint(1, 8)):
                    client.enqueue(asynq.Task("part", b"%d" % count), group=f"g{count % GROUPS}")
                    count += 1
                pace.wait(0.25)
                if random.random() < 0.25:
                    at = random.randrange(SERVERS)
                    servers[at].kill()
                    servers[at].wait()
                    servers[at] = start(url, file)
                    kills += 1
        wait_until(lambda: len(parts(file)) == count, f"{count} parts, {kills} kills", PATIENCE_S)
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()

    twice = {part: times for part, times in parts(file).items() if times > 1}
    assert not twice
