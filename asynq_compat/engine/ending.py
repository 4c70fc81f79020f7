"""How does an end not wait for ever for a broker that does not answer?

Contract: what ends runs on a thread of its own, which is left behind, with what it waits for, once the time is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from asynq_compat.engine.service import THREAD_PREFIX


def ends_within(timeout_s: float, end: Callable[[], None]) -> bool:
    """Call `end`; return False when it is not through within `timeout_s`, seconds. What it raises until then is raised."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            end()
        except BaseException as failure:  # noqa: BLE001 - raised again below, by who called
            failures.append(failure)

    thread = threading.Thread(target=run, name=f"{THREAD_PREFIX}shutdown", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if failures:
        raise failures[0]
    return not thread.is_alive()
