"""Which commands of the control journal do schedulers write, and how is each laid out?

Contract: as `command`, where their codes stand.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.wire.command import CLAIM, ENQUEUED, FIRED, HISTORY_GONE, SCHEDULER, SCHEDULER_GONE, Command


def scheduler(scheduler_id: str, entries: Sequence[bytes], ttl_s: int) -> Command:
    """The periodic tasks of a scheduler, encoded SchedulerEntries, for `ttl_s` seconds."""
    return [SCHEDULER, scheduler_id, list(entries), ttl_s]


def scheduler_gone(scheduler_id: str) -> Command:
    """Withdraw what `scheduler` told."""
    return [SCHEDULER_GONE, scheduler_id]


def enqueued(entry_id: str, event: bytes) -> Command:
    """A periodic task was enqueued; `event` is an encoded SchedulerEnqueueEvent."""
    return [ENQUEUED, entry_id, event]


def history_gone(entry_id: str) -> Command:
    """Forget what was told by `enqueued`."""
    return [HISTORY_GONE, entry_id]


def claim(entry: str, instant_s: int, holder: str, term_ms: int) -> Command:
    """`holder` makes the firing of an entry at `instant_s` (Unix seconds) unless it is made, or another's for its term."""
    return [CLAIM, entry, instant_s, holder, term_ms]


def fired(entry: str, instant_s: int) -> Command:
    """That firing is made."""
    return [FIRED, entry, instant_s]
