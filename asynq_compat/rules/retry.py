"""When does a failed task run again?

Contract: pure. The caller passes the number of retries made and the jitter; nothing is read from clock or chance.
Not obvious: the count is that *before* this failure is booked, so the first failure asks with 0.
Source: asynq v0.26.0 `DefaultRetryDelayFunc`; docs/semantics.md, "outcomes".
"""

from __future__ import annotations

# Asynq draws the jitter from 0 to 29.
JITTER_END = 30


def default_retry_delay_s(retried: int, jitter: int) -> int:
    """Return the wait before the next attempt.

    Args:
        retried: Retries already made, 0 at the first failure. A negative one (int32 that wrapped) is taken as it is, as in Go.
        jitter: 0 to 29, drawn by the caller.

    Returns:
        Seconds: ``retried**4 + 15 + jitter * (retried + 1)``.

    Raises:
        ValueError: `jitter` is outside its range.
    """
    if not 0 <= jitter < JITTER_END:
        raise ValueError(f"jitter must be from 0 to {JITTER_END - 1}, got {jitter}")
    return int(retried**4) + 15 + jitter * (retried + 1)
