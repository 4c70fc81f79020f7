"""How do integers look in protobuf?

Contract: pure.
"""

from __future__ import annotations

from asynq_compat.errors import CorruptDataError

_SHORT = [bytes((value,)) for value in range(128)]
_OVERFLOW_SHIFT = 63  # the tenth byte holds one bit


def encode_varint(value: int) -> bytes:
    """Return `value` as a varint; a negative one as its 64-bit two's complement (ten bytes)."""
    if 0 <= value < 128:
        return _SHORT[value]
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the unsigned 64-bit varint at `position` and the position behind it.

    Raises:
        CorruptDataError: It is cut short, or larger than 64 bits. Forms longer than needed are read, as Go does.
    """
    value = shift = 0
    end = len(data)
    while True:
        if position >= end:
            raise CorruptDataError(f"an integer is cut short at byte {position}")
        byte = data[position]
        position += 1
        if shift == _OVERFLOW_SHIFT and byte > 1:
            raise CorruptDataError(f"an integer before byte {position} is larger than 64 bits")
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def signed(value: int, bits: int) -> int:
    """Return the low `bits` bits of `value` as a signed integer."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
