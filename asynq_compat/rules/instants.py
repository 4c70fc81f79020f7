"""Which instant is a Unix time?

Contract: pure. Instants are aware datetimes in UTC, exact to the microsecond; a time that no datetime can hold (somebody wrote
milliseconds) is shown as the nearest that can.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from asynq_compat.rules.limits import INSTANT_S_MAX, INSTANT_S_MIN, NS_PER_S

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant_of(unix_ns: int) -> datetime:
    """Return the instant of Unix nanoseconds."""
    return EPOCH + timedelta(
        microseconds=min(max(unix_ns, INSTANT_S_MIN * NS_PER_S), INSTANT_S_MAX * NS_PER_S) // 1_000
    )
