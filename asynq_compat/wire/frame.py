"""How does a batch of commands by one writer become one entry of a journal?

Contract: pure and total: what cannot be read gives the reason as a value. A frame is msgpack
`[format, writer_id, sequence, commands]`; docs/journal.md, "Frames".
Not obvious: a frame's first byte is 0x94; anything else is a bare record, one encoded TaskMessage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgpack

from asynq_compat.wire.command import Command
from asynq_compat.wire.hot_record import hot_record

FORMAT: Final = 1
WRITER_ID_BYTES: Final = 16
# Below a topic's max.message.bytes of 16 MiB, with room for the record around it.
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024 - 64 * 1024
# A frame of many tasks stays below this: larger ones stall the readers.
FRAME_BYTES_AIM: Final = 256 * 1024
COMMAND_COUNT_MAX: Final = 65_536
# Items of one column, ranges of one command.
ITEM_COUNT_MAX: Final = 65_536
SEQUENCE_MAX: Final = 2**63 - 1

_ARRAY_OF_4: Final = 0x94


@hot_record
class Frame:
    """A frame that could be read. Its commands are arrays with an integer in front; the rest is not looked at yet."""

    writer_id: bytes
    sequence: int
    commands: list[Command]


def is_frame(data: bytes) -> bool:
    """Return whether an entry claims to be a frame; if not, it is a bare record."""
    return bool(data) and data[0] & 0xF0 == 0x90


def encode_frame(writer_id: bytes, sequence: int, commands: Sequence[Sequence[object]]) -> bytes:
    """Return the bytes of one frame.

    Raises:
        ValueError: A limit of docs/journal.md is not kept.
    """
    if len(writer_id) != WRITER_ID_BYTES:
        raise ValueError(f"writer_id must be {WRITER_ID_BYTES} bytes, got {len(writer_id)}")
    if not 1 <= sequence <= SEQUENCE_MAX:
        raise ValueError(f"sequence must be 1 to {SEQUENCE_MAX}, got {sequence}")
    if len(commands) > COMMAND_COUNT_MAX:
        raise ValueError(f"a frame takes up to {COMMAND_COUNT_MAX} commands, got {len(commands)}")
    data: bytes = msgpack.packb([FORMAT, writer_id, sequence, commands])
    if len(data) > FRAME_BYTES_MAX:
        raise ValueError(f"a frame takes up to {FRAME_BYTES_MAX} bytes, got {len(data)}")
    return data


def decode_frame(data: bytes) -> Frame | str:
    """Return the frame in `data`, or the reason why there is none. Never raises."""
    if len(data) > FRAME_BYTES_MAX:
        return f"larger than {FRAME_BYTES_MAX} bytes"
    if not data or data[0] != _ARRAY_OF_4:
        return "not an array of four items"
    try:
        items = msgpack.unpackb(data, raw=False, strict_map_key=True, max_array_len=ITEM_COUNT_MAX)
    except (ValueError, TypeError, OverflowError, MemoryError) as reason:
        return f"not msgpack: {type(reason).__name__}"
    format_, writer_id, sequence, commands = items
    if type(format_) is not int or format_ != FORMAT:
        return "unknown format"
    if type(writer_id) is not bytes or len(writer_id) != WRITER_ID_BYTES:
        return "no writer id"
    if type(sequence) is not int or not 1 <= sequence <= SEQUENCE_MAX:
        return "no sequence"
    if type(commands) is not list or any(type(c) is not list or not c or type(c[0]) is not int for c in commands):
        return "no commands"
    return Frame(writer_id, sequence, commands)
