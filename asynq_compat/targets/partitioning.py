"""Into how many partitions does a program cut the queues that it makes?

Contract: pure. A queue that exists keeps its number, whatever is asked for.
"""

from __future__ import annotations

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.go_url import parse_go_int
from asynq_compat.rules.limits import shown

# More than any fleet has servers; each costs a server that follows it a connection and a thread.
PARTITIONS_MAX = 256


def check_partitions(partitions: object) -> int:
    """Return `partitions`.

    Raises:
        InvalidArgumentError: It is no whole number from 1 to 256.
    """
    if not isinstance(partitions, int) or isinstance(partitions, bool) or not 1 <= partitions <= PARTITIONS_MAX:
        raise InvalidArgumentError(
            f"partitions must be a whole number from 1 to {PARTITIONS_MAX}, got {shown(partitions)}; 1 keeps the order of a whole queue"
        )
    return partitions


def parse_partitions(text: str) -> int:
    """Return what a URL's parameter `partitions` says.

    Raises:
        InvalidArgumentError: As `check_partitions`.
    """
    try:
        number: object = parse_go_int(text)
    except ValueError:
        number = text
    return check_partitions(number)
