"""Which type does an encoded task have?

Contract: pure. For who counts tasks by type and decodes nothing else of them.
Not obvious: whoever writes protobuf in the order of the fields, as Go and we do, has the type first; anything else is decoded.
"""

from __future__ import annotations

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire.codec.decoding import decode_message

_TYPE_KEY = 0x0A  # Field 1, of a length.
_LENGTH_OF_ONE_BYTE = 0x80


def type_prefix(message: bytes) -> bytes:
    """Return what stands for the type at the beginning of a message, equal for messages alike; the whole message where that is not plain."""
    if len(message) > 1 and message[0] == _TYPE_KEY and message[1] < _LENGTH_OF_ONE_BYTE:
        return message[: message[1] + 2]
    return message


def type_of(prefix: bytes) -> str:
    """Return the type that a prefix stands for; "" where it cannot be read."""
    try:
        return decode_message(prefix).type
    except CorruptDataError:
        return ""
