"""How does a stored message learn how its task fared?

Contract: pure, total. Bytes that are no TaskMessage (another program wrote them) stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

from asynq_compat.errors import AsynqError
from asynq_compat.wire.message import amend_message, decode_message, encode_message


def amended(
    message: bytes,
    *,
    retried: int | None = None,
    error_msg: str | None = None,
    last_failed_at: int | None = None,
    completed_at: int | None = None,
) -> bytes:
    """Return `message` with the given fields replaced; unchanged if it cannot be read."""
    try:
        return amend_message(
            message, retried=retried, error_msg=error_msg, last_failed_at=last_failed_at, completed_at=completed_at
        )
    except AsynqError:
        return message


def with_payload(message: bytes, payload: bytes) -> bytes | None:
    """Return `message` with another payload and everything else kept; None if it cannot be read."""
    try:
        return encode_message(replace(decode_message(message), payload=payload))
    except AsynqError:
        return None
