"""How large may a task, a payload or a result on a journal be?

Contract: pure. A task must fit into a frame, with what stands around it.
"""

from __future__ import annotations

from asynq_compat.errors import PayloadTooLargeError
from asynq_compat.wire import frame as wire_frame

# What a frame holds around one task: its envelope, the id, the lock.
_ROOM_BYTES = 4_096
MESSAGE_BYTES_MAX = wire_frame.FRAME_BYTES_MAX - _ROOM_BYTES


def check_size(what: str, size_bytes: int) -> None:
    """Refuse what is too large for a frame.

    Args:
        what: What the error calls it.
        size_bytes: Its own size.

    Raises:
        PayloadTooLargeError: It is.
    """
    if size_bytes > MESSAGE_BYTES_MAX:
        raise too_large(f"the {what} is {size_bytes} bytes", size_bytes, "hand over a reference to it")


def too_large(what: str, size_bytes: int, advice: str, stored: str = "it") -> PayloadTooLargeError:
    """Return the error for what is too large; `what` is how it begins."""
    return PayloadTooLargeError(
        f"{what}, a journal takes up to {MESSAGE_BYTES_MAX}; store {stored} elsewhere and {advice}",
        size_bytes=size_bytes,
        size_bytes_max=MESSAGE_BYTES_MAX,
    )
