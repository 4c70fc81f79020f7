"""Has it happened yet, and how long do we wait before we say no?

Contract: polls a condition with a deadline; the error shows the last state that was seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

POLL_S = 0.01


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
    """Return as soon as `condition()` is true.

    Args:
        condition: Asked every 10 ms.
        what: Names the awaited state in the error.
        timeout_s: After this many seconds it fails.

    Raises:
        AssertionError: It did not become true in time; the message shows the last answer.
    """
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s; last seen {seen!r}"
        pause.wait(POLL_S)


def wait_until_none(found: Callable[[], Iterable[object]], what: str, timeout_s: float = 60.0) -> None:
    """Return as soon as `found()` finds nothing.

    Args:
        found: Asked every 10 ms.
        what: Names what is to end, in the error.
        timeout_s: After this many seconds it fails.

    Raises:
        AssertionError: Something was there to the last; the message shows it.
    """
    left: list[object] = []

    def is_nothing() -> bool:
        left[:] = found()
        return not left

    try:
        wait_until(is_nothing, what, timeout_s)
    except AssertionError:
        raise AssertionError(f"{what}: not within {timeout_s:g} s; left: {left}") from None
