"""How large may one value in Redis be?

Contract: asks Redis only where a value is larger than what every Redis takes. What its setting says is taken for granted then.
Not obvious: Redis ends the connection in the middle of a value that is too large, which looks like an outage, whereupon it would be sent again.
"""

from __future__ import annotations

from asynq_compat.brokers.redis.commands import command
from asynq_compat.brokers.redis.link import Link
from asynq_compat.errors import AsynqError, PayloadTooLargeError

# Unless its `proto-max-bulk-len` says otherwise.
VALUE_BYTES_MAX = 512 * 1024 * 1024
_SETTING = b"proto-max-bulk-len"


def too_large(link: Link, what: str, size_bytes: int) -> PayloadTooLargeError | None:
    """Return the error for a value that Redis would not take, None for one that it takes; `what` is how the error begins."""
    if size_bytes <= VALUE_BYTES_MAX or size_bytes <= (max_bytes := _asked(link)):
        return None
    return PayloadTooLargeError(
        f"{what} is {size_bytes} bytes when encoded, redis at {link.address} takes up to {max_bytes} (proto-max-bulk-len); "
        "store it elsewhere and hand over a reference to it",
        size_bytes=size_bytes,
        size_bytes_max=max_bytes,
    )


def _asked(link: Link) -> int:
    try:
        found = link.ask(command(b"CONFIG", b"GET", _SETTING))
    except AsynqError:  # Not everybody may ask for settings.
        return VALUE_BYTES_MAX
    value = found[1] if isinstance(found, list) and len(found) > 1 else None
    return int(value) if isinstance(value, bytes) and value.isdigit() else VALUE_BYTES_MAX
