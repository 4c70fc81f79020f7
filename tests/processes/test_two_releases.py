"""What do processes of an old release do on a file where a later one has taken over?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import asynq_compat as asynq
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.journals.sqlite import SqliteJournalStore
from tests.unit.machine.next_release import NEXT_RELEASE

_ROOT = Path(__file__).resolve().parents[2]
_OLD_SERVER = """
import sys
import asynq_compat as asynq
asynq.Server(sys.argv[1], asynq.Config(queues={"default": 1, "old": 1})).run(lambda ctx, task: None)
"""
_LONG_S = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "asynq.db"


def next_release(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.processes.release_program", str(path), "default"]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_an_old_server_ends_and_says_why_while_an_old_producer_goes_on(path: Path) -> None:
    """A producer's plain tasks are valid for ever; everything else of an old process says that it must be upgraded."""
    url = f"sqlite:///{path}"
    new = next_release(path)
    assert new.stdout is not None
    operator = open_journal(SqliteJournalStore(str(path)), versions=NEXT_RELEASE)
    assert operator.history is not None
    with asynq.Client(url) as producer:
        producer.enqueue(asynq.Task("before"))
        assert new.stdout.readline() == "before\n"
        operator.history.activate("default", 2)
        operator.close()
        producer.enqueue(asynq.Task("behind"))
        assert new.stdout.readline() == "behind\n"
        with asynq.Client(url) as late:
            late.enqueue(asynq.Task("late"))
        assert new.stdout.readline() == "late\n"

        old = subprocess.run(
            [sys.executable, "-c", _OLD_SERVER, url], capture_output=True, text=True, timeout=_LONG_S, check=False
        )

    assert old.returncode == 1
    assert "NewerReleaseError: " in old.stderr.splitlines()[-1]
    assert old.stderr.endswith("which this release does not know; upgrade this process\n")
    looked = subprocess.run(
        [Path(sys.executable).with_name("asynq-compat"), "--broker", url, "journal", "describe", "default"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (looked.returncode, looked.stderr.count("\n")) == (1, 1)
    assert "machine version 2, which this release does not know; upgrade this process" in looked.stderr
    ran, _ = new.communicate("", timeout=_LONG_S)
    assert (ran, new.returncode) == ("", 0)
