"""Is a file's lock held by one at a time, given in turn, and not waited for without end?"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.errors import BrokerUnavailableError, ServerStateError
from asynq_compat.journals.file_lock import FileLock

HOLDER = """
import sys
from asynq_compat.journals.file_lock import FileLock
with FileLock(sys.argv[1]).held(60):
    print("held", flush=True)
    sys.stdin.readline()
print("free", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


@pytest.fixture
def holder(path: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_another_process_holds_is_waited_for_to_the_limit(path: str, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGSTOP)
    lock = FileLock(path)
    started = time.monotonic()

    with pytest.raises(BrokerUnavailableError, match="stopped or stuck") as caught, lock.held(0.1):
        pass

    assert time.monotonic() - started < 5
    assert not caught.value.may_have_happened


def test_a_lock_is_there_after_a_wait_in_vain(path: str, holder: subprocess.Popen[str]) -> None:
    lock = FileLock(path)
    with pytest.raises(BrokerUnavailableError), lock.held(0.05):
        pass
    assert holder.stdin is not None

    holder.stdin.write("let go\n")
    holder.stdin.flush()

    with lock.held(60):
        pass
    with lock.held(60):
        pass
    lock.retire(60)


def test_a_killed_holder_holds_nothing(path: str, holder: subprocess.Popen[str]) -> None:
    lock = FileLock(path)
    taken = threading.Event()

    def take() -> None:
        with lock.held(60):
            taken.set()

    waiter = threading.Thread(target=take)
    waiter.start()
    holder.kill()

    waiter.join(60)
    assert taken.is_set()
    lock.retire(60)


def test_threads_exclude_each_other(path: str) -> None:
    locks = [FileLock(path), FileLock(path)]
    inside: list[int] = []
    most: list[int] = []

    def work(lock: FileLock) -> None:
        for _ in range(100):
            with lock.held(60):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work, args=[lock]) for lock in locks * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(most) == 400
    assert max(most) == 1
    assert all(lock.retire(60) for lock in locks)


def test_a_retired_lock_is_not_taken(path: str) -> None:
    lock = FileLock(path)

    assert lock.retire(60)

    with pytest.raises(ServerStateError), lock.held(1):
        pass
