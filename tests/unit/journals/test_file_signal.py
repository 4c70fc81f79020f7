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


def while_others_are_told(fd: int, listener: Listener) -> tuple[int, int]:
    """Tell others without end for half a second; return how often the listener looked, and how often they were told."""
    looks = told = 0
    slot, is_over = listener._slot, threading.Event()

    def counted() -> bytes:
        nonlocal looks
        looks += 1
        return slot()

    def tell_others() -> None:
        nonlocal told
        while not is_over.wait(0.0005):
            tell(fd, OTHERS)
            told += 1

    listener._slot = counted  # type: ignore[method-assign]
    thread = threading.Thread(target=tell_others)
    thread.start()
    assert listener.wait(0.5) is False
    is_over.set()
    thread.join()
    return looks, told


def test_a_listener_rests_where_others_are_told_all_the_time(listener: Listener, fd: int) -> None:
    looks, told = while_others_are_told(fd, listener)
    # Each wake looks twice. A machine that is too busy to tell so often needs no rest.
    assert looks < told or told < 300


def test_a_listener_at_rest_hears_of_its_own_and_of_interrupts(listener: Listener, fd: int) -> None:
    while_others_are_told(fd, listener)
    tell(fd, OTHERS)
    tell(fd, OURS)
    assert listener.wait(LONG_S) is False
    assert not listener.has_news()
    listener.interrupt()
    assert listener.wait(LONG_S) is True
