"""Do messages become Go's bytes, and back?

The hex strings are what asynq v0.26.0 writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asynq_compat.errors import CorruptDataError, InvalidArgumentError
from asynq_compat.wire._pb import asynq_pb2
from asynq_compat.wire.codec.parsing import parse_message
from asynq_compat.wire.message import (
    TaskMessage,
    amend_message,
    decode_message,
    encode_message,
    encode_new,
    split_message,
    split_messages,
    valid_text,
)
from tests.unit.wire.strategies import messages

FULL = TaskMessage(
    type="t", payload=b"p", id="i", queue="q", retry=25, retried=-1, timeout=1800, group_key="g", headers={"k": "v"}
)
USUAL = TaskMessage(
    type="email", payload=b"{}", id="550e8400-e29b-41d4-a716-446655440000", queue="default", retry=25, timeout=1800
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (TaskMessage(), ""),
        (TaskMessage(headers={}), ""),
        (TaskMessage(payload=b""), ""),
        (FULL, "0a01741201701a0169220171281930ffffffffffffffffff0140880e7201677a060a016b120176"),
        (TaskMessage(headers={"": ""}), "7a040a001200"),
    ],
)
def test_go_s_bytes(message: TaskMessage, expected: str) -> None:
    assert encode_message(message).hex() == expected


@given(messages())
def test_what_was_encoded_decodes_to_itself(message: TaskMessage) -> None:
    encoded = encode_message(message)

    decoded = decode_message(encoded)

    assert decoded == replace(message, payload=message.payload or None, headers=message.headers or None)
    assert decode_message(encoded) == decoded, "the second time it comes from the cache"
    assert parse_message(encoded) == decoded


@given(messages())
def test_protobuf_reads_the_same(message: TaskMessage) -> None:
    read = asynq_pb2.TaskMessage.FromString(encode_message(message))

    for name in (field.name for field in fields(TaskMessage) if field.name not in {"unknown", "headers", "payload"}):
        assert getattr(read, name) == getattr(message, name), name
    assert read.payload == (message.payload or b"")
    assert dict(read.headers) == dict(message.headers or {})


@given(messages())
def test_the_parts_of_a_split_message_are_the_message(message: TaskMessage) -> None:
    for _ in range(2):  # The second time it comes from the cache.
        task_type, payload, task_id, unique_key, rest = split_message(encode_message(message))

        named = message.type, message.payload or None, message.id, message.unique_key
        assert (task_type, payload, task_id, unique_key) == named
        assert rest == replace(message, type="", payload=None, id="", unique_key="", headers=message.headers or None)


def split_one_by_one(encoded: Sequence[bytes]) -> list[tuple[str, bytes | None, TaskMessage]] | None:
    """Return what is in each message; None if one of them cannot be read."""
    try:
        parts = [split_message(one) for one in encoded]
    except CorruptDataError:
        return None
    return [(task_type, payload, rest) for task_type, payload, _, _, rest in parts]


def split_together(encoded: Sequence[bytes]) -> list[tuple[str, bytes | None, TaskMessage]] | None:
    """Return the same by the way for many."""
    try:
        return split_messages(encoded)
    except CorruptDataError:
        return None


@given(messages(), st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=3)), max_size=4))
@example(USUAL, [(len("\n\x05email\x12\x02{}\x1a$"), b"\xff")])  # An id that is no text.
@example(USUAL, [(7, b"\x12\x03")])  # A payload that goes on into what was the head of the id.
@example(replace(USUAL, payload=None), [(7, b"\x12")])
@example(USUAL, [(9, b"[]")])
@example(replace(USUAL, unique_key="k"), [(-1, b"\xff"), (-2, b"\x02"), (-3, b"\x5a")])
@example(replace(USUAL, unique_key="key", retention=60), [(-3, b"\xff"), (-6, b"\x04"), (-7, b"\x5a"), (-1, b"\x01")])
def test_messages_that_are_alike_are_read_as_one_by_one(message: TaskMessage, changes: list[tuple[int, bytes]]) -> None:
    encoded = encode_message(message)
    alike = [encode_message(replace(message, payload=message.payload and bytes(len(message.payload)))), encoded] * 4
    changed = []
    for at, put in changes:
        place = at % (len(encoded) or 1)
        changed.append((encoded[:place] + put + encoded[place + len(put) :])[: len(encoded)])

    assert split_together(alike) == split_one_by_one(alike)
    for one in changed:  # By now it is known what the next ones are like.
        assert split_together([encoded, one, encoded]) == split_one_by_one([encoded, one, encoded])


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_messages_of_several_kinds_are_read_as_one_by_one(types: list[str]) -> None:
    mixed = [
        encode_message(
            replace(USUAL, type=one, payload=b"%d" % (number % 12), unique_key="key"[number % 3 :] * (one > "a"))
        )
        for number, one in enumerate(types)
    ]

    assert split_together(mixed) == split_one_by_one(mixed)


@given(messages(), st.integers(0, 300))
def test_a_message_cut_short_is_read_as_by_the_parser(message: TaskMessage, size: int) -> None:
    cut = encode_message(message)[:size]

    try:
        expected: TaskMessage | None = parse_message(cut)
    except CorruptDataError:
        expected = None

    if expected is None:
        with pytest.raises(CorruptDataError):
            decode_message(cut)
    else:
        assert decode_message(cut) == expected


@given(messages())
def test_a_new_task_has_the_bytes_that_the_general_encoder_gives_it(message: TaskMessage) -> None:
    new = replace(message, retried=0, error_msg="", last_failed_at=0, completed_at=0)
    unknown = b"\x98\x01\x2a"  # A field that only the general encoder writes, behind all others.

    encoded = encode_new(
        new.type,
        new.payload,
        new.id,
        new.queue,
        new.retry,
        new.timeout,
        new.deadline,
        new.retention,
        new.unique_key,
        new.group_key,
        new.headers,
    )

    assert encoded + unknown == encode_message(replace(new, unknown=unknown))
    assert encoded == encode_message(new)


def test_fields_of_a_newer_asynq_survive() -> None:
    foreign = bytes.fromhex("a20103616263") + encode_message(FULL) + bytes.fromhex("98012a")

    decoded = decode_message(foreign)

    assert decoded == replace(FULL, unknown=bytes.fromhex("a2010361626398012a"))
    assert encode_message(decoded) == encode_message(FULL) + decoded.unknown


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (replace(FULL, type="\udc80"), r"type .*'\\udc80'"),
        (replace(USUAL, unique_key="\ud800"), "unique_key must be text"),
        (replace(USUAL, group_key="\ud800"), "group_key must be text"),
        (replace(USUAL, unique_key="k", retention=2**63), "retention must be an integer"),
        (replace(USUAL, id="\ud800"), "id must be text"),
        (replace(USUAL, queue="\ud800"), "queue must be text"),
        (replace(FULL, error_msg="x" * 200 + "\ud800"), "error_msg must be text .*xxx…"),
        (replace(FULL, headers={"\ud800": ""}), "a key of headers"),
        (replace(FULL, headers={"k": "\ud800"}), r"headers\['k'\]"),
        (replace(USUAL, retry=2**31), "retry must be an integer from -2147483648 to 2147483647, got 2147483648"),
        (replace(FULL, retried=-(2**31) - 1), "retried must be an integer"),
        (replace(USUAL, timeout=2**63), "timeout must be an integer"),
        (replace(FULL, last_failed_at=-(2**63) - 1), "last_failed_at must be an integer"),
    ],
)
def test_what_go_cannot_read_is_refused_by_field_and_value(message: TaskMessage, named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named) as refused:
        encode_message(message)

    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("payload", ["text", bytearray(b"x"), {"a": 1}, 7])
def test_a_payload_that_is_not_bytes_is_refused(payload: object) -> None:
    for message in (replace(USUAL, payload=payload), replace(FULL, payload=payload)):  # type: ignore[arg-type] # on purpose
        with pytest.raises(InvalidArgumentError, match=r"payload must be bytes or None, got .*encode it first"):
            encode_message(message)


@pytest.mark.parametrize(
    "message",
    [
        FULL,
        USUAL,
        replace(USUAL, unknown=b"\x98\x01\x2a"),
        replace(USUAL, id=""),
        replace(USUAL, unique_key="a:b", retention=60, headers={"k": "v"}, unknown=b"\x98\x01\x2a"),
        replace(USUAL, unique_key="k" * 128),
    ],
)
def test_amending_changes_the_named_fields_alone(message: TaskMessage) -> None:
    for _ in range(2):
        encoded = encode_message(message)

        failed = amend_message(encoded, retried=3, error_msg="bóom", last_failed_at=1_700_000_000)
        completed = amend_message(encoded, completed_at=1_700_000_001)

        expected = replace(message, retried=3, error_msg="bóom", last_failed_at=1_700_000_000)
        assert failed == encode_message(expected)
        assert completed == encode_message(replace(message, completed_at=1_700_000_001))
        assert amend_message(failed, error_msg="again") == encode_message(replace(expected, error_msg="again"))


def test_a_tail_that_overrides_the_head_is_not_taken_from_the_cache() -> None:
    encoded = encode_message(USUAL) + b"\x0a\x05other"
    twin = encode_message(replace(USUAL, type="other")) + b"\x0a\x05other"

    for _ in range(2):
        assert decode_message(twin) == replace(USUAL, type="other")
        assert decode_message(encoded) == replace(USUAL, type="other")
        assert amend_message(twin, retried=1) == encode_message(replace(USUAL, type="other", retried=1))
        assert amend_message(encoded, retried=1) == encode_message(replace(USUAL, type="other", retried=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc80", "\ufffd"),
        ("😀", "😀"),
        ("a\udcff\udcfe", "a\ufffd\ufffd"),
    ],
)
def test_text_that_utf8_cannot_express_is_made_valid(text: str, expected: str) -> None:
    assert valid_text(text) == expected


@pytest.mark.parametrize("again", [TaskMessage(type="u"), TaskMessage(payload=b"later"), TaskMessage(id="other")])
def test_a_field_that_comes_again_behind_the_id_counts_every_time_it_is_read(again: TaskMessage) -> None:
    encoded = encode_message(replace(USUAL, queue="", retry=0, timeout=0)) + encode_message(again)

    first, second = decode_message(encoded), decode_message(encoded)

    assert first == second == parse_message(encoded)
    assert amend_message(encoded, retried=1) == encode_message(replace(first, retried=1))


KEYS = st.text("aR\x01é", min_size=1, max_size=4)


@given(KEYS, KEYS, st.booleans(), st.integers(0, 2))
def test_messages_that_differ_in_their_unique_key_are_each_read_as_by_the_parser(
    one: str, other: str, is_kept: bool, retried: int
) -> None:
    for key in (one, other, one):
        message = replace(USUAL, unique_key=key, retention=60 * is_kept, retried=retried, queue="R\x01")
        encoded = encode_message(message)

        assert decode_message(encoded) == parse_message(encoded) == message
        failed = amend_message(encoded, retried=retried + 1, error_msg=other)
        assert failed == encode_message(replace(message, retried=retried + 1, error_msg=other))


@given(st.binary(max_size=6))
@example(b"\x52\x04\xff\xff\xff\xff")
@example(b"\x52\x03abcd")
@example(b"\x4a\x04abcd")
@example(b"\x52\x04efgh")
def test_what_stands_where_others_have_their_unique_key_is_read_as_by_the_parser(middle: bytes) -> None:
    known = encode_message(replace(USUAL, unique_key="abcd", retention=60))
    decode_message(known)
    encoded = known.replace(b"\x52\x04abcd", middle)

    for _ in range(2):
        try:
            expected: TaskMessage | None = parse_message(encoded)
        except CorruptDataError:
            expected = None
        if expected is None:
            with pytest.raises(CorruptDataError):
                decode_message(encoded)
            with pytest.raises(CorruptDataError):
                amend_message(encoded, retried=1)
        else:
            assert decode_message(encoded) == expected
            assert amend_message(encoded, retried=1) == encode_message(replace(expected, retried=1))
