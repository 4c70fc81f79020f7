"""How are an outcome and an error told between a worker process and its server?

Contract: pure. As numbers and texts, which `messages` can carry; an error of this package comes out as it went in.
"""

from __future__ import annotations

from asynq_compat import errors
from asynq_compat.ports.consuming import Lease, SettleKind, Settlement

# place, kind (None: nothing is to be written), delay, text, whether it counts, retention
Told = tuple[int, str | None, float, str, bool, int]
# queue, type, seconds, how many tasks it stands for
Timed = tuple[str, str, float, int]
# Name of the class, text, data.
Failure = tuple[str, str, dict[str, object]]


def nothing_of(lease: Lease) -> Told:
    """Return what a worker tells of a task of which nothing is to be written."""
    return lease.index, None, 0.0, "", False, 0


def told_of(ended: Settlement) -> Told:
    """Return what a worker tells of a settlement."""
    return (
        ended.lease.index,
        ended.kind.value,
        ended.delay_s,
        ended.error_msg,
        ended.is_failure,
        ended.retention_s,
    )


def settlement_of(lease: Lease, told: Told) -> Settlement | None:
    """Return what a worker has told, in the server; None: nothing is to be written."""
    _, kind, delay_s, text, is_failure, retention_s = told
    if kind is None:
        return None
    return Settlement(lease, SettleKind(kind), delay_s, text, is_failure, retention_s)


def failure_of(error: Exception) -> Failure:
    """Return an error as it is sent."""
    data: dict[str, object] = {
        name: value for name, value in vars(error).items() if isinstance(value, str | int | float | bool)
    }
    return type(error).__name__, str(error), data


def error_of(failure: Failure) -> Exception:
    """Return an error that was sent: the package's own as they were."""
    name, text, data = failure
    kind = getattr(errors, name, errors.AsynqError)
    error: Exception = kind.__new__(kind)
    error.args = (text,)
    vars(error).update(data)
    return error
