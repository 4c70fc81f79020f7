"""Do plain handlers get threads as they need them, and no more?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from asynq_compat.engine.pool import Pool

Item = Callable[[], bool]


def setting(event: threading.Event) -> Item:
    """Return an item that sets `event`."""

    def run() -> bool:
        event.set()
        return True

    return run


@pytest.fixture
def make() -> Iterator[Callable[[int], Pool[Item]]]:
    pools: list[Pool[Item]] = []

    def build(size: int) -> Pool[Item]:
        pools.append(Pool(size, lambda item: item(), lambda: None))
        return pools[-1]

    yield build
    for pool in pools:
        pool.stop()
        pool.stop()


def test_every_item_runs_once(make: Callable[[int], Pool[Item]]) -> None:
    pool = make(8)
    done: list[int] = []
    all_done = threading.Event()

    def item(number: int) -> Item:
        def run() -> bool:
            done.append(number)
            if len(done) == 1000:
                all_done.set()
            return True

        return run

    for start in range(0, 1000, 100):
        pool.submit([item(number) for number in range(start, start + 100)])

    assert all_done.wait(60)
    assert sorted(done) == list(range(1000))


def test_as_many_run_at_once_as_there_is_room_and_no_more(make: Callable[[int], Pool[Item]]) -> None:
    pool = make(3)
    barrier = threading.Barrier(4)
    started = threading.Semaphore(0)

    def meet() -> bool:
        started.release()
        barrier.wait(60)
        return True

    pool.submit([meet] * 6)
    for _ in range(3):
        assert started.acquire(timeout=60)
    assert not started.acquire(timeout=0.05)
    barrier.wait(60)
    for _ in range(3):
        assert started.acquire(timeout=60)
    barrier.wait(60)


def test_a_lost_thread_is_replaced_and_ends_when_its_item_does(make: Callable[[int], Pool[Item]]) -> None:
    pool = make(1)
    stuck, release, threads = threading.Event(), threading.Event(), []

    def hang() -> bool:
        threads.append(threading.current_thread())
        stuck.set()
        release.wait(60)
        return False

    pool.submit([hang])
    assert stuck.wait(60)
    pool.replace()
    ran = threading.Event()
    pool.submit([setting(ran)])
    assert ran.wait(60)
    release.set()

    threads[0].join(60)
    assert not threads[0].is_alive()
    again = threading.Event()
    pool.submit([setting(again)])
    assert again.wait(60)


def test_while_a_thread_is_lent_another_stands_in(make: Callable[[int], Pool[Item]]) -> None:
    pool = make(1)
    inner_done, outer_done = threading.Event(), threading.Event()

    def outer() -> bool:
        with pool.lent():
            pool.submit([setting(inner_done)])
            assert inner_done.wait(60)
        outer_done.set()
        return True

    pool.submit([outer])

    assert outer_done.wait(60)


def test_a_thread_that_runs_out_of_items_asks_for_more_before_it_waits() -> None:
    left = list(range(50))
    is_over = threading.Event()

    def bring() -> None:
        if left:
            left.pop()
            pool.submit([item])
        else:
            is_over.set()

    def item() -> bool:
        return True

    pool: Pool[Item] = Pool(1, lambda each: each(), bring)
    pool.submit([item])

    assert is_over.wait(30)
    pool.stop()


def test_work_for_which_there_was_no_thread_is_done_when_there_is_one(
    make: Callable[[int], Pool[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make(2)
    first, second = threading.Event(), threading.Event()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", refuse)
        for _ in range(3):  # More often than there is room for.
            with pytest.raises(RuntimeError, match="can't start new thread"):
                pool.submit([setting(first)])
    pool.submit(())
    assert first.wait(10)

    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", refuse)
        pool.submit([setting(second)])
    assert second.wait(10)


def test_a_thread_that_fails_leaves_its_place_to_another(
    make: Callable[[int], Pool[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make(1)
    done, failed = threading.Event(), threading.Semaphore(0)
    monkeypatch.setattr(threading, "excepthook", lambda told: failed.release())

    def fail() -> bool:
        raise MemoryError

    pool.submit([fail, fail, setting(done)])

    assert done.wait(10)
    for _ in range(2):
        assert failed.acquire(timeout=10)
