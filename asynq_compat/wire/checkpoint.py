"""What stands in the journal of a journal's checkpoints?

Contract: pure and total. An entry is msgpack: a `Chunk`, one section of a state, or a `Confirmed`, which says that the chunks of one
checkpoint are complete and that the journal has accepted its marker. What is neither is None: it is passed over.
Not obvious: chunks of several writers may stand between each other, so each names its writer, and some are never confirmed.
Source: docs/journal.md, "Checkpoints".
"""

from __future__ import annotations

from typing import Final

import msgpack

from asynq_compat.wire.frame import WRITER_ID_BYTES
from asynq_compat.wire.hot_record import hot_record

CHUNK: Final = 1
CONFIRMED: Final = 2


@hot_record
class Chunk:
    """One section of the state at `position`, as `writer_id` saw it; `index` counts from 0."""

    writer_id: bytes
    position: int
    index: int
    data: bytes


@hot_record
class Confirmed:
    """A checkpoint that may be loaded.

    Attributes:
        position: Of the last entry in it.
        digest: Of its chunks' data, as in its marker.
        first_chunk: Where the first of its chunks stands in this journal.
        chunk_count: How many they are.
        size_bytes: The sum of their data.
        entry_check: Of the bytes of the journal's entry at `position`: it is no checkpoint of a journal that has another entry there.
    """

    writer_id: bytes
    position: int
    digest: bytes
    first_chunk: int
    chunk_count: int
    size_bytes: int
    entry_check: bytes


def encode_chunk(chunk: Chunk) -> bytes:
    """Return the entry of a chunk."""
    data: bytes = msgpack.packb([CHUNK, chunk.writer_id, chunk.position, chunk.index, chunk.data])
    return data


def encode_confirmed(confirmed: Confirmed) -> bytes:
    """Return the entry of a confirmation."""
    one = confirmed
    items = [one.writer_id, one.position, one.digest, one.first_chunk, one.chunk_count, one.size_bytes]
    data: bytes = msgpack.packb([CONFIRMED, *items, one.entry_check])
    return data


def decode_state_entry(data: bytes) -> Chunk | Confirmed | None:
    """Return what an entry is; None when it is neither."""
    try:
        items = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, TypeError, OverflowError, MemoryError):
        return None
    if type(items) is not list or len(items) < 2 or type(items[1]) is not bytes or len(items[1]) != WRITER_ID_BYTES:
        return None
    kinds = [type(item) for item in items]
    if items[0] == CHUNK and kinds == [int, bytes, int, int, bytes]:
        return Chunk(*items[1:])
    if items[0] == CONFIRMED and kinds == [int, bytes, int, bytes, int, int, int, bytes]:
        return Confirmed(*items[1:])
    return None
