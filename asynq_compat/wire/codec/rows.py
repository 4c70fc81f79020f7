"""How are messages read that come one behind another, where most are alike?

Contract: as `decoding.split_message` for each, to the letter, but without id and unique key; thread-safe.
Not obvious: messages of one kind and size differ in payload, id and unique key alone. Once a few in a row have been like that, the next
ones are cut to pieces by one C call, and what stands around those is compared whole. What is different goes the usual way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct

from asynq_compat.wire.codec.decoding import ID_HEAD, known_parts, split_message
from asynq_compat.wire.codec.task_message import TaskMessage
from asynq_compat.wire.hot_record import hot_record

# So many in a row have to be alike before what they share is made ready.
_ALIKE_MIN = 4

# type, payload, the other fields but id and unique key: shared with other messages, not to be changed
Row = tuple[str, bytes | None, TaskMessage]


@hot_record
class _Layout:
    """What messages of one kind and size share."""

    size: int
    cut: Callable[[bytes], tuple[bytes, ...]]
    head: bytes
    tail: bytes
    type_name: str
    rest: TaskMessage
    end: bytes | None = (
        None  # What stands behind the unique key, before which the tail ends then; None where there is no key.
    )


# The latest without a unique key and the latest with one, replaced whole.
_latest = [_Layout(-1, lambda _: (), b"", b"", "", TaskMessage()) for _ in range(2)]


def split_messages(messages: Sequence[bytes]) -> list[Row]:
    """Return type, payload and the other fields of each, in order.

    Raises:
        CorruptDataError: One of them is no TaskMessage.
    """
    rows: list[Row] = []
    size, cut, head, tail, type_name, rest = _fields(_latest[0])
    locked = _latest[1]
    missed_type, missed_size, missed_count = "", -1, 0
    for encoded in messages:
        if len(encoded) == size:
            begin, payload, mark, task_id, end = cut(encoded)
            if begin == head and end == tail and mark == ID_HEAD and task_id.isascii():
                rows.append((type_name, payload or None, rest))
                continue
        if len(encoded) == locked.size and (row := _locked_row(locked, encoded)) is not None:
            rows.append(row)
            continue
        other_type, other_payload, _, _, other_rest = split_message(encoded)
        rows.append((other_type, other_payload, other_rest))
        if other_type is missed_type and len(encoded) == missed_size:
            missed_count += 1
        else:
            missed_type, missed_size, missed_count = other_type, len(encoded), 1
        if missed_count == _ALIKE_MIN and (found := _layout_of(encoded)) is not None:
            if found.end is not None:
                _latest[1] = locked = found
            else:
                _latest[0] = found
                size, cut, head, tail, type_name, rest = _fields(found)
    return rows


def _locked_row(layout: _Layout, encoded: bytes) -> Row | None:
    """Return the row of a message with a unique key; None where it is laid out in another way."""
    begin, payload, mark, task_id, tail, key, end = layout.cut(encoded)
    is_alike = begin == layout.head and tail == layout.tail and end == layout.end and mark == ID_HEAD
    if not (is_alike and task_id.isascii() and key.isascii()):
        return None
    return layout.type_name, payload or None, layout.rest


def _fields(layout: _Layout) -> tuple[int, Callable[[bytes], tuple[bytes, ...]], bytes, bytes, str, TaskMessage]:
    return layout.size, layout.cut, layout.head, layout.tail, layout.type_name, layout.rest


def _layout_of(encoded: bytes) -> _Layout | None:
    """Return what the next messages may share with this one; None where that cannot be told by looking."""
    known = known_parts(encoded)
    if known is None:
        return None
    payload_at, id_at, tail_at, key_at, key_end, type_name, rest = known
    size = len(encoded)
    sizes = [payload_at, id_at - payload_at, len(ID_HEAD), tail_at - id_at - len(ID_HEAD), key_at - tail_at]
    if key_at < size:
        sizes += [key_end - key_at, size - key_end]
    cut = Struct("".join(f"{one}s" for one in sizes)).unpack
    tail, end = encoded[tail_at:key_at], encoded[key_end:] if key_at < size else None
    return _Layout(size, cut, encoded[:payload_at], tail, type_name, rest, end)
