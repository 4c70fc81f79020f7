"""What does a record mean that is no frame?

Contract: pure, total, deterministic, no protobuf library: every replica must read the same. A bare record is one encoded TaskMessage, with or
without Schema Registry framing (0x00, four bytes of schema id, the message index), and up to three record headers. What is said there to a
queue is the machine's business.
Not obvious: the index is a count and as many numbers, all zigzag varints, and the single byte 0 stands for the first message. Of a header
that comes twice the last one counts; one that cannot be read makes the whole record unreadable: a task meant for later must not run now.
Source: docs/journal.md, "Bare records".
"""

from __future__ import annotations

import re

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire.codec.decoding import decode_message
from asynq_compat.wire.codec.task_message import TaskMessage
from asynq_compat.wire.codec.varint import read_varint
from asynq_compat.wire.frame import FRAME_BYTES_MAX
from asynq_compat.wire.hot_record import hot_record

PROCESS_AT, UNIQUE_TTL, GROUP = "process_at", "unique_ttl", "group"

_SCHEMA_ID_END = 5
_INDEX_DEPTH_MAX = 32  # protoc nests message types no deeper
_NUMBER = re.compile(rb"-?[0-9]{1,19}")
_SHOWN_BYTES_MAX = 40

Headers = tuple[tuple[str, bytes], ...]
"""Names and values of a record's headers, in order; one without a value has b""."""

HEADERS_UNREADABLE: Headers = (("\udcff", b""),)
"""What stands for headers with a name that is not UTF-8: some client libraries cannot read them, so none may."""


@hot_record
class BareRecord:
    """What a record says.

    Attributes:
        encoded: The message's bytes, without framing.
        process_at, unique_ttl_s, group: The headers' values; None where there is no such header.
    """

    message: TaskMessage
    encoded: bytes
    process_at: int | None = None
    unique_ttl_s: int | None = None
    group: str | None = None


def parse_bare(value: bytes, headers: Headers = ()) -> BareRecord | str:
    """Return what a record says, or why it cannot be read."""
    if not value:
        return "it is empty"
    if len(value) > FRAME_BYTES_MAX:
        return f"it is larger than {FRAME_BYTES_MAX} bytes"
    try:
        encoded = _without_framing(value) if value.startswith(b"\x00") else value
        message = decode_message(encoded)
    except CorruptDataError as error:
        return f"it is no TaskMessage: {error}"
    if not headers:
        return BareRecord(message, encoded)
    if headers == HEADERS_UNREADABLE:
        return "the name of one of its headers is not UTF-8"
    given = dict(headers)  # Of two that are called alike the last one stays.
    try:
        process_at, unique_ttl_s = _number(PROCESS_AT, given), _number(UNIQUE_TTL, given)
        return BareRecord(message, encoded, process_at, unique_ttl_s, _text(GROUP, given))
    except ValueError as error:
        return str(error)


def _without_framing(value: bytes) -> bytes:
    if len(value) <= _SCHEMA_ID_END:
        raise CorruptDataError("its Schema Registry framing is cut short")
    count, position = read_varint(value, _SCHEMA_ID_END)
    if count & 1 or count >> 1 > _INDEX_DEPTH_MAX:
        raise CorruptDataError("the message index of its Schema Registry framing makes no sense")
    for _ in range(count >> 1):
        _, position = read_varint(value, position)
    return value[position:]


def _number(name: str, headers: dict[str, bytes]) -> int | None:
    given = headers.get(name)
    if given is None:
        return None
    if not _NUMBER.fullmatch(given):
        raise ValueError(
            f"its header {name} must be a whole number in decimal digits, got {given[:_SHOWN_BYTES_MAX]!r}"
        )
    return int(given)


def _text(name: str, headers: dict[str, bytes]) -> str | None:
    given = headers.get(name)
    if given is None:
        return None
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise ValueError(f"its header {name} must be UTF-8, got {given[:_SHOWN_BYTES_MAX]!r}") from None
