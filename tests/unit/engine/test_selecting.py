"""Is a server's event loop asyncio's own, but for how exactly it wakes up?"""

from __future__ import annotations

import asyncio
import os
import resource
import selectors
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from asynq_compat.engine.looping.selecting import PreciseSelector, new_loop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")


@pytest.fixture
def selector() -> Iterator[PreciseSelector]:
    with PreciseSelector() as selector:
        yield selector


@pytest.mark.parametrize("timeout_s", [0.00009, 0.0002])
def test_a_short_wait_is_no_whole_millisecond(selector: PreciseSelector, timeout_s: float) -> None:
    waits_s = []
    for _ in range(200):  # The best of them, on a busy machine.
        began_s = time.perf_counter()
        assert selector.select(timeout_s) == []
        waits_s.append(time.perf_counter() - began_s)

    assert timeout_s <= min(waits_s) < 0.001


@pytest.mark.parametrize("timeout_s", [0, 0.005, 30, None])
def test_what_is_ready_is_told_however_long_the_wait(selector: PreciseSelector, timeout_s: float | None) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        selector.register(ours, selectors.EVENT_READ, "ours")
        theirs.send(b"x")

        ((key, events),) = selector.select(timeout_s)

    assert (key.data, events) == ("ours", selectors.EVENT_READ)


def test_no_timer_is_fired_before_its_time() -> None:
    loop = new_loop()
    early_s: list[float] = []

    async def sleep(wait_s: float) -> None:
        due_s = loop.time() + wait_s
        await asyncio.sleep(wait_s)
        early_s.append(due_s - loop.time())

    async def whole() -> None:
        await asyncio.gather(*(sleep(number / 7_000) for number in range(100)))

    loop.run_until_complete(whole())
    loop.close()

    assert len(early_s) == 100
    assert max(early_s) <= 0


class _Loop(asyncio.SelectorEventLoop):
    pass


def _made_by_the_program(kind: type[asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            loop = kind()
            loop.set_debug(True)
            return loop

    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Policy())
    try:
        return new_loop()
    finally:
        asyncio.set_event_loop_policy(before)


def test_a_loop_of_another_kind_is_the_program_s() -> None:
    loop = _made_by_the_program(_Loop)
    loop.close()

    assert type(loop) is _Loop


def test_what_a_program_sets_for_its_loops_holds() -> None:
    loop = _made_by_the_program(asyncio.SelectorEventLoop)
    loop.close()

    assert loop.get_debug()


def test_a_process_with_many_open_files_has_a_loop_all_the_same() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    opened: list[int] = []
    try:
        while not opened or opened[-1] < 1_100:
            opened.append(os.open(os.devnull, os.O_RDONLY))
        loop = new_loop()
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()
    finally:
        for one in opened:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
