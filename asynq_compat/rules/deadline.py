"""Until when may an attempt at a task run?

Contract: pure; now is an argument. Unix nanoseconds in and out, the message's fields in seconds.
Not obvious: the timeout counts from the start of every attempt, not from the enqueue. Only when timeout and deadline are both set
is now cut to whole seconds. A negative timeout is a deadline that has passed.
Source: asynq v0.26.0 `processor.computeDeadline`; docs/semantics.md, "task context".
"""

from __future__ import annotations

from asynq_compat.rules.limits import NS_PER_S

# Asynq's defaultTimeout; it holds when a message carries neither timeout nor deadline.
DEFAULT_TIMEOUT_S = 30 * 60


def attempt_deadline_ns(now_ns: int, timeout_s: int, deadline_at: int) -> int:
    """Return the Unix nanosecond at which the attempt that starts now is over.

    Args:
        now_ns: Unix nanoseconds.
        timeout_s: The message's timeout; 0 for none.
        deadline_at: The message's deadline in Unix seconds; 0 for none.
    """
    if not deadline_at:
        return now_ns + (timeout_s or DEFAULT_TIMEOUT_S) * NS_PER_S
    if not timeout_s:
        return deadline_at * NS_PER_S
    return min(now_ns // NS_PER_S + timeout_s, deadline_at) * NS_PER_S
