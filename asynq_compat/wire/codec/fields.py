"""How are the fields of a small message written without the protobuf library?

Contract: pure; proto3's rules: a field with its zero value is not written, a Timestamp always. An error names the field.
Not obvious: a server writes such messages every few seconds, and the library would take more memory than the rest of this package.
"""

from __future__ import annotations

from operator import index

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.wire.codec.varint import encode_varint

_VARINT, _BYTES = 0, 2
_INT32_END = 1 << 31
_INT64_END = 1 << 63
_NS_PER_S = 1_000_000_000
_SHOWN_CHARS_MAX = 80


def text(number: int, name: str, value: str) -> bytes:
    """Return a string's field."""
    try:
        encoded = value.encode()
    except (AttributeError, UnicodeEncodeError) as error:
        raise refused(name, value, error) from error
    return _sized(number, encoded) if encoded else b""


def raw(number: int, name: str, value: bytes) -> bytes:
    """Return a field of bytes."""
    try:
        return _sized(number, value) if value else b""
    except TypeError as error:
        raise refused(name, value, error) from error


def integer(number: int, name: str, value: int) -> bytes:
    """Return an int32's field, or a bool's."""
    try:
        value = index(value)
    except TypeError as error:
        raise refused(name, value, error) from error
    if not -_INT32_END <= value < _INT32_END:
        raise refused(name, value, "it is no integer of 32 bits")
    return _tag(number, _VARINT) + encode_varint(value) if value else b""


def instant(number: int, name: str, value_ns: int) -> bytes:
    """Return a Timestamp's field, of Unix nanoseconds; the epoch's too."""
    seconds, nanoseconds = divmod(value_ns, _NS_PER_S)
    if not -_INT64_END <= seconds < _INT64_END:
        raise refused(name, value_ns, "it is no integer of 64 bits")
    body = _tag(1, _VARINT) + encode_varint(seconds) if seconds else b""
    return _sized(number, body + integer(2, name, nanoseconds))


def entry(number: int, name: str, key: str, value: int) -> bytes:
    """Return one entry of a map from strings to int32; both are written, whatever they are."""
    body = text(1, name, key) or _sized(1, b"")
    return _sized(number, body + (integer(2, name, value) or _tag(2, _VARINT) + encode_varint(0)))


def refused(name: str, value: object, why: object) -> InvalidArgumentError:
    """Return the error about a value that cannot be written."""
    shown = repr(value)
    if len(shown) > _SHOWN_CHARS_MAX:
        shown = shown[: _SHOWN_CHARS_MAX - 1] + "…"
    return InvalidArgumentError(f"{name} cannot be written, got {shown}: {why}")


def _tag(number: int, kind: int) -> bytes:
    return encode_varint(number << 3 | kind)


def _sized(number: int, body: bytes) -> bytes:
    return _tag(number, _BYTES) + encode_varint(len(body)) + body
