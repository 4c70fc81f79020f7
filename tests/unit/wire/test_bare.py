"""What does a record mean that is no frame?"""

from __future__ import annotations

import pytest
from hypothesis import given

from asynq_compat.wire.bare import parse_bare
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.unit.wire.strategies import hostile_bytes

TASK = TaskMessage(type="email", payload=b"{}", id="1", queue="default")


@pytest.mark.parametrize("framing", ["", "000000000100", "00ffffffff0200", "0000000001040806"])
def test_framing_of_a_schema_registry_is_stripped(framing: str) -> None:
    encoded = encode_message(TASK)

    assert parse_bare(bytes.fromhex(framing) + encoded) == (TASK, encoded)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"\x00", "cut short"),
        (b"\x00\x00\x00\x00\x01", "cut short"),
        (b"\x00\x00\x00\x00\x01\x01", "makes no sense"),
        (b"\x00\x00\x00\x00\x01\xfe\x7f", "makes no sense"),
        (b"\x00\x00\x00\x00\x01\x04\x02", "cut short"),
        (b"\x94\x01\xc4", "no TaskMessage"),
        (b"{}", "no TaskMessage"),
        (b"\x0a\x01\xff", "not valid UTF-8"),
    ],
)
def test_what_cannot_be_read_has_a_reason(value: bytes, reason: str) -> None:
    parsed = parse_bare(value)

    assert isinstance(parsed, str)
    assert reason in parsed


@given(hostile_bytes())
def test_nothing_makes_it_raise(value: bytes) -> None:
    assert isinstance(parse_bare(value), tuple | str)
    assert isinstance(parse_bare(b"\x00" * 6 + value), tuple | str)
