"""What is a frame, and what is none?"""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.wire import command as c
from asynq_compat.wire.frame import FRAME_BYTES_MAX, Frame, decode_frame, encode_frame, is_frame

WRITER = b"0123456789abcdef"


def test_a_frame_comes_back_as_it_was_written() -> None:
    commands = [c.enqueue(["a", "b"], [b"1", b"\xff"]), c.settle_retry([(7, 0, 1500, "no", None)]), c.tick()]

    frame = decode_frame(encode_frame(WRITER, 3, commands))

    assert frame == Frame(WRITER, 3, [[8, ["a", "b"], [b"1", b"\xff"]], [18, [[7, 0, 1500, "no", None]]], [40]])


def test_a_frame_has_these_bytes() -> None:
    """The layout is a format on disk: it does not change."""
    data = encode_frame(WRITER, 1, [c.enqueue(["i"], [b"m"])])

    assert data.hex() == "9401c410" + WRITER.hex() + "0191" + "9308" + "91a169" + "91c4016d"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an array"),
        (b"\x93\x01", "not an array"),
        (b"\x94\x01\xc4\x10", "not msgpack"),
        (msgpack.packb([2, WRITER, 1, []]), "unknown format"),
        (msgpack.packb([True, WRITER, 1, []]), "unknown format"),
        (msgpack.packb([1, WRITER[1:], 1, []]), "no writer id"),
        (msgpack.packb([1, WRITER, 0, []]), "no sequence"),
        (msgpack.packb([1, WRITER, 2**63, []]), "no sequence"),
        (msgpack.packb([1, WRITER, 1, [[]]]), "no commands"),
        (msgpack.packb([1, WRITER, 1, [["x"]]]), "no commands"),
        (msgpack.packb([1, WRITER, 1, {}]), "no commands"),
        (msgpack.packb([1, WRITER, 1, [[8, {3: 4}]]]), "not msgpack"),
        (msgpack.packb([1, WRITER, 1, []]) + b"\x00", "not msgpack"),
        (b"\x94" * 5000, "not msgpack"),
        (b"\x94" + bytes(FRAME_BYTES_MAX), "larger than"),
    ],
)
def test_what_is_no_frame_is_told_by_its_reason(data: bytes, reason: str) -> None:
    found = decode_frame(data)

    assert isinstance(found, str)
    assert reason in found


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(tail: bytes) -> None:
    decode_frame(tail)
    decode_frame(b"\x94\x01\xc4\x10" + WRITER + tail)
    is_frame(tail)


@pytest.mark.parametrize(("writer", "sequence"), [(WRITER[1:], 1), (WRITER, 0), (WRITER, 2**63)])
def test_a_frame_that_nobody_could_read_is_not_written(writer: bytes, sequence: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        encode_frame(writer, sequence, [])


def test_a_frame_beyond_the_limits_is_not_written() -> None:
    with pytest.raises(ValueError, match="bytes"):
        encode_frame(WRITER, 1, [c.enqueue(["a"], [bytes(FRAME_BYTES_MAX)])])
    with pytest.raises(ValueError, match="commands"):
        encode_frame(WRITER, 1, [c.tick()] * 65_537)
