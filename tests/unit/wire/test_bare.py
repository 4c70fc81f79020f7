"""What does a record mean that is no frame?"""

from __future__ import annotations

import re

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings

from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.kafka.topics import topic_name
from asynq_compat.wire._pb import asynq_pb2
from asynq_compat.wire.bare import HEADERS_UNREADABLE, BareRecord, Headers, parse_bare
from asynq_compat.wire.codec.varint import encode_varint
from asynq_compat.wire.frame import FRAME_BYTES_MAX
from asynq_compat.wire.message import TaskMessage, decode_message, encode_message
from tests.unit.file_map import REPOSITORY
from tests.unit.wire.strategies import header_lists, hostile_bytes, messages

TASK = TaskMessage(type="email", payload=b"{}", id="1", queue="default")
ENCODED = encode_message(TASK)


@pytest.mark.parametrize("framing", ["", "000000000100", "00ffffffff0200", "0000000001040806"])
def test_framing_of_a_schema_registry_is_stripped(framing: str) -> None:
    assert parse_bare(bytes.fromhex(framing) + ENCODED) == BareRecord(TASK, ENCODED)


def test_headers_are_read() -> None:
    headers: Headers = (("process_at", b"-1"), ("x", b"\xff"), ("group", b"a"), ("unique_ttl", b"007"), ("group", b"b"))

    assert parse_bare(ENCODED, headers) == BareRecord(TASK, ENCODED, -1, 7, "b")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((("process_at", b"1.5"),), "process_at must be a whole number"),
        ((("unique_ttl", b"1\n"),), "unique_ttl must be a whole number"),
        ((("unique_ttl", b"9" * 5000),), "got b'9999999999999999999999999999999999999999'"),
        ((("group", b"\xff"),), "group must be UTF-8"),
        (HEADERS_UNREADABLE, "not UTF-8"),
    ],
)
def test_a_header_that_cannot_be_read_has_a_reason(headers: Headers, reason: str) -> None:
    parsed = parse_bare(ENCODED, headers)

    assert isinstance(parsed, str)
    assert reason in parsed


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


@settings(max_examples=60, deadline=None)
@given(hostile_bytes(), header_lists())
def test_nothing_makes_it_raise(value: bytes, headers: Headers) -> None:
    for record in (value, b"\x00" * 6 + value, b"\x00\x00\x00\x00\x07" + value):
        assert isinstance(parse_bare(record, headers), BareRecord | str)


@settings(max_examples=60, deadline=None)
@given(hostile_bytes() | messages().map(encode_message))
def test_it_reads_the_same_as_google_s_decoder(value: bytes) -> None:
    """Where both read something: what is let pass is Go's decision (tests/interop/test_wire_parity.py), this library lets larger varints pass."""
    parsed = parse_bare(value)
    try:
        by_google = asynq_pb2.TaskMessage.FromString(value)
    except DecodeError:
        return
    if isinstance(parsed, BareRecord) and not value.startswith(b"\0"):
        assert decode_message(by_google.SerializeToString()) == parsed.message


def test_a_record_is_no_larger_than_a_frame() -> None:
    head = encode_message(TASK) + b"\x12" + encode_varint(FRAME_BYTES_MAX - len(ENCODED) - 5)
    largest = head + bytes(FRAME_BYTES_MAX - len(head))

    assert isinstance(parse_bare(largest), BareRecord)
    assert parse_bare(largest + b"\x28\x01") == "it is larger than 16711680 bytes"


def test_the_example_of_the_specification_is_right() -> None:
    text = (REPOSITORY / "docs" / "journal.md").read_text().partition("### An example")[2].partition("### What")[0]
    lines = re.findall(r"^    ((?:[0-9a-f]{2} )+) ", text, re.MULTILINE)

    parsed = parse_bare(bytes.fromhex("".join(lines)))

    assert isinstance(parsed, BareRecord)
    assert parsed.message == TaskMessage(
        type="email:deliver",
        payload=b'{"user_id":42}',
        id="7f3c2a51-0000-4000-8000-000000000001",
        queue="emails:low",
        retry=25,
        timeout=1800,
    )
    assert topic_name("asynq", queue_journal_name(parsed.message.queue)) in text
