"""Which bytes are a TaskMessage, and which one?

Contract: pure, total but for CorruptDataError, without recursion; accepts and refuses exactly what Go's protobuf does (v1.36), so that
replicas and Go agree on hostile bytes too. Depends on no protobuf library: two versions of one need not agree.
Not obvious: a known field with the wrong wire type is an unknown field; the last of a scalar field wins; a 64-bit value in an int32
field is cut to its low 32 bits; what is unknown inside a map entry is dropped.
"""

from __future__ import annotations

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire.codec.task_message import TaskMessage
from asynq_compat.wire.codec.varint import encode_varint, read_varint, signed

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_FIELD_NUMBER_MAX = (1 << 29) - 1
_FIELD_NUMBER_MAX_IN_GROUP = (1 << 31) - 1  # Go checks less strictly inside groups
_GROUP_DEPTH_MAX = 10_001  # Go: protowire.DefaultRecursionLimit, and one

_TEXTS = frozenset((1, 3, 4, 7, 10, 14))
_INTEGER_BITS = {5: 32, 6: 32, 8: 64, 9: 64, 11: 64, 12: 64, 13: 64}
_PAYLOAD = 2
_HEADERS = 15


def parse_message(data: bytes) -> TaskMessage:
    """Return the message in `data`; zero bytes are a valid, empty one.

    Raises:
        CorruptDataError: It is no TaskMessage; says why and at which byte.
    """
    texts: dict[int, str] = {}
    numbers: dict[int, int] = {}
    headers: dict[str, str] = {}
    payload = b""
    unknown = bytearray()
    position, end = 0, len(data)
    while position < end:
        number, kind, position = _read_tag(data, position, _FIELD_NUMBER_MAX)
        if kind == _BYTES and (number in _TEXTS or number in (_PAYLOAD, _HEADERS)):
            value, position = _read_bytes(data, position)
            if number == _PAYLOAD:
                payload = value
            elif number == _HEADERS:
                key, item = _parse_entry(value, position)
                headers[key] = item
            else:
                texts[number] = _text(value, position)
        elif kind == _VARINT and number in _INTEGER_BITS:
            raw, position = read_varint(data, position)
            numbers[number] = signed(raw, _INTEGER_BITS[number])
        else:
            start = position
            position = _skip(data, position, number, kind)
            unknown += encode_varint(number << 3 | kind) + data[start:position]
    return _assemble(texts, numbers, payload or None, headers or None, bytes(unknown))


def _assemble(
    texts: dict[int, str],
    numbers: dict[int, int],
    payload: bytes | None,
    headers: dict[str, str] | None,
    unknown: bytes,
) -> TaskMessage:
    return TaskMessage(
        type=texts.get(1, ""),
        payload=payload,
        id=texts.get(3, ""),
        queue=texts.get(4, ""),
        retry=numbers.get(5, 0),
        retried=numbers.get(6, 0),
        error_msg=texts.get(7, ""),
        timeout=numbers.get(8, 0),
        deadline=numbers.get(9, 0),
        unique_key=texts.get(10, ""),
        last_failed_at=numbers.get(11, 0),
        retention=numbers.get(12, 0),
        completed_at=numbers.get(13, 0),
        group_key=texts.get(14, ""),
        headers=headers,
        unknown=unknown,
    )


def _parse_entry(data: bytes, behind: int) -> tuple[str, str]:
    """Return key and value of one header; a missing one is ""."""
    key = value = ""
    position, end = 0, len(data)
    try:
        while position < end:
            number, kind, position = _read_tag(data, position, _FIELD_NUMBER_MAX)
            if kind == _BYTES and number in (1, 2):
                raw, position = _read_bytes(data, position)
                if number == 1:
                    key = _text(raw, position)
                else:
                    value = _text(raw, position)
            else:
                position = _skip(data, position, number, kind)
    except CorruptDataError as error:
        raise CorruptDataError(f"the header that ends at byte {behind}: {error}") from None
    return key, value


def _read_tag(data: bytes, position: int, number_max: int) -> tuple[int, int, int]:
    tag, after = read_varint(data, position)
    number = tag >> 3
    if not 1 <= number <= number_max:
        raise CorruptDataError(f"no valid field number at byte {position}")
    return number, tag & 7, after


def _read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    size, position = read_varint(data, position)
    after = position + size
    if after > len(data):
        raise CorruptDataError(f"a field of {size} bytes is cut short at byte {position}")
    return data[position:after], after


def _text(value: bytes, behind: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CorruptDataError(f"the string that ends at byte {behind} is not valid UTF-8") from None


def _skip(data: bytes, position: int, number: int, kind: int) -> int:
    """Return the position behind the value of a field that is not read."""
    if kind != _GROUP:
        return _skip_value(data, position, kind)
    groups = [number]
    while groups:
        start = position
        number, kind, position = _read_tag(data, position, _FIELD_NUMBER_MAX_IN_GROUP)
        if kind == _GROUP_END:
            if groups.pop() != number:
                raise CorruptDataError(f"the wrong group ends at byte {start}")
        elif kind == _GROUP:
            if len(groups) >= _GROUP_DEPTH_MAX:
                raise CorruptDataError(f"groups are nested too deeply at byte {start}")
            groups.append(number)
        else:
            position = _skip_value(data, position, kind)
    return position


def _skip_value(data: bytes, position: int, kind: int) -> int:
    if kind == _VARINT:
        return read_varint(data, position)[1]
    if kind == _BYTES:
        size, position = read_varint(data, position)
    elif kind in (_FIXED32, _FIXED64):
        size = 4 if kind == _FIXED32 else 8
    else:
        raise CorruptDataError(f"no value of wire type {kind} can stand at byte {position}")
    if position + size > len(data):
        raise CorruptDataError(f"a field of {size} bytes is cut short at byte {position}")
    return position + size
