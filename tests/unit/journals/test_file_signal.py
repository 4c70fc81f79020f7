"""Does a listener hear of its own slot, and is it at peace from the others?"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.journals.file_signal import Listener, tell
from tests.unit.journals.contract import LONG_S

OURS, OTHERS = 3, 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.write_bytes(bytes(64))
    return path


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


@pytest.fixture
def listener(path: Path) -> Iterator[Listener]:
    listener = Listener(str(path), OURS)
    yield listener
    listener.close()


def test_news_is_what_came_since_the_last_wait(listener: Listener, fd: int) -> None:
    assert not listener.has_news()
    tell(fd, OTHERS)
    assert not listener.has_news()
    tell(fd, OURS)
    assert listener.has_news()
    assert listener.wait(LONG_S) is False
    assert not listener.has_news()


def while_others_are_told(fd: int, listener: Listener) -> None:
    """Tell others without end for half a second."""
    is_over = threading.Event()

    def tell_others() -> None:
        while not is_over.wait(0.0005):
            tell(fd, OTHERS)

    thread = threading.Thread(target=tell_others)
    thread.start()
    assert listener.wait(0.5) is False
    is_over.set()
    thread.join()


def test_a_listener_rests_where_others_are_told_all_the_time(listener: Listener) -> None:
    rests_s, now_s = [], 100.0
    for _ in range(10):
        now_s += 0.001 + listener._rest_s  # Woken for others, a millisecond after each rest.
        listener._note(now_s)
        rests_s.append(listener._rest_s)
    assert rests_s == [0.0] * 5 + [0.002, 0.004, 0.008, 0.016, 0.016]

    listener._note(now_s + 1.0)
    assert listener._rest_s == 0.0


def test_a_listener_at_rest_hears_of_its_own_and_of_interrupts(listener: Listener, fd: int) -> None:
    while_others_are_told(fd, listener)
    tell(fd, OTHERS)
    tell(fd, OURS)
    assert listener.wait(LONG_S) is False
    assert not listener.has_news()
    listener.interrupt()
    assert listener.wait(LONG_S) is True
