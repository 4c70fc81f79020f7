"""On which event loop do a server's coroutines run?

Contract: on the one that asyncio makes by the program's policy. Where that is asyncio's own, on Linux, one that is like it but for the length
of its short waits takes its place.
Not obvious: epoll waits in whole milliseconds, rounded up, so that who sleeps for one sleeps for nearly two. But `select` can wait for epoll's
own descriptor, to the microsecond.
"""

from __future__ import annotations

import asyncio
import math
import select
import selectors
import sys

# What waits longer gains nothing from it.
_SHORT_S = 0.01
# Timers that are due so close together share a turn of the loop.
_STEP_S = 0.0001
# select(2) takes no descriptor from here on (FD_SETSIZE).
_DESCRIPTOR_MAX = 1024


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that does not run yet."""
    made = asyncio.new_event_loop()
    if sys.platform != "linux" or type(made) is not asyncio.SelectorEventLoop:
        return made
    selector = PreciseSelector()
    if selector.fileno() >= _DESCRIPTOR_MAX:
        selector.close()
        return made
    loop = asyncio.SelectorEventLoop(selector)
    loop.set_debug(made.get_debug())
    loop.set_task_factory(made.get_task_factory())
    loop.set_exception_handler(made.get_exception_handler())
    made.close()
    return loop


if sys.platform == "linux":

    class PreciseSelector(selectors.EpollSelector):
        """One that waits no longer than it was asked to, by more than a tenth of a millisecond."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """As `selectors.BaseSelector.select`."""
            if timeout is not None and 0 < timeout < _SHORT_S:
                wait_s = math.ceil(timeout / _STEP_S) * _STEP_S
                if not select.select((self.fileno(),), (), (), wait_s)[0]:
                    return []
                timeout = 0
            return super().select(timeout)
