"""What does a record mean that is no frame?

Contract: pure, total, deterministic, no protobuf library: every replica must read the same. A bare record is one encoded TaskMessage, with or
without Schema Registry framing: 0x00, four bytes of schema id, the message index. What the fields mean to a queue is the machine's
business.
Not obvious: the index is a count and as many numbers, all zigzag varints, and the single byte 0 stands for the first message.
Source: docs/journal.md, "Bare records".
"""

from __future__ import annotations

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire.codec.decoding import decode_message
from asynq_compat.wire.codec.task_message import TaskMessage
from asynq_compat.wire.codec.varint import read_varint

_SCHEMA_ID_END = 5
_INDEX_DEPTH_MAX = 32  # protoc nests message types no deeper


def parse_bare(value: bytes) -> tuple[TaskMessage, bytes] | str:
    """Return the message in `value` and its bytes without framing, or why there is none."""
    if not value:
        return "it is empty"
    try:
        encoded = _without_framing(value) if value.startswith(b"\x00") else value
        return decode_message(encoded), encoded
    except CorruptDataError as error:
        return f"it is no TaskMessage: {error}"


def _without_framing(value: bytes) -> bytes:
    if len(value) <= _SCHEMA_ID_END:
        raise CorruptDataError("its Schema Registry framing is cut short")
    count, position = read_varint(value, _SCHEMA_ID_END)
    if count & 1 or count >> 1 > _INDEX_DEPTH_MAX:
        raise CorruptDataError("the message index of its Schema Registry framing makes no sense")
    for _ in range(count >> 1):
        _, position = read_varint(value, position)
    return value[position:]
