"""Which messages do the property tests draw?"""

from __future__ import annotations

from hypothesis import strategies as st

from asynq_compat.wire.bare import GROUP, HEADERS_UNREADABLE, PROCESS_AT, UNIQUE_TTL, Headers
from asynq_compat.wire.codec.varint import encode_varint
from asynq_compat.wire.message import TaskMessage, encode_message

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
int32s = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, 25, 2**31 - 1, -1])
int64s = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 1800, 2**63 - 1, -1])
_field_numbers = st.integers(0, 20) | st.sampled_from([2**29 - 1, 2**29, 2**31 - 1, 2**31, 2**60])
_uuids = st.uuids(version=4).map(str)


def messages(headers_max: int = 3) -> st.SearchStrategy[TaskMessage]:
    """Return messages: about half of them as clients write them, the others with any value in any field."""
    payloads = st.none() | st.binary(max_size=300)
    usual = st.builds(
        TaskMessage,
        type=st.sampled_from(["email", "image:resize"]),
        payload=payloads,
        id=_uuids,
        queue=st.sampled_from(["default", "low"]),
        retry=st.sampled_from([0, 25]),
        timeout=st.sampled_from([0, 1800]),
        retried=st.integers(0, 3),
        error_msg=st.sampled_from(["", "boom"]),
    )
    any_ = st.builds(
        TaskMessage,
        type=texts,
        payload=payloads,
        id=texts | _uuids,
        queue=texts,
        retry=int32s,
        retried=int32s,
        error_msg=texts,
        timeout=int64s,
        deadline=int64s,
        unique_key=texts,
        last_failed_at=int64s,
        retention=int64s,
        completed_at=int64s,
        group_key=texts,
        headers=st.none() | st.dictionaries(texts, texts, max_size=headers_max),
    )
    return usual | any_


def hostile_bytes() -> st.SearchStrategy[bytes]:
    """Return bytes that are nearly messages: fields of any number and wire type, valid messages changed or cut, noise."""
    varints = (int64s | st.integers(0, 20)).map(encode_varint)
    tags = st.builds(lambda number, kind: encode_varint(number << 3 | kind), _field_numbers, st.integers(0, 7))
    long_varints = st.sampled_from(
        [b"\x80\x00", b"\xff" * 9 + b"\x01", b"\xff" * 9 + b"\x02", b"\x80" * 10, b"\xff" * 10]
    )
    sized = st.binary(max_size=12).map(lambda value: encode_varint(len(value)) + value)
    entries = st.lists(
        st.tuples(st.sampled_from([b"\x0a", b"\x12", b"\x1a", b"\x08", b"\x14"]), sized | varints), max_size=3
    )
    headers = entries.map(lambda pairs: b"".join(tag + value for tag, value in pairs)).map(
        lambda entry: b"\x7a" + encode_varint(len(entry)) + entry
    )
    groups = st.tuples(
        tags, st.lists(st.tuples(tags, varints | sized)).map(lambda pairs: b"".join(map(b"".join, pairs))), tags
    )
    fields = st.tuples(tags, varints | sized | long_varints | st.binary(min_size=4, max_size=8)).map(b"".join)
    parts = fields | headers | groups.map(b"".join) | long_varints | messages().map(encode_message)
    made = st.lists(parts, max_size=5).map(b"".join)
    cut = st.builds(lambda data, size: data[:size], made, st.integers(0, 200))
    changed = st.builds(_with_byte, messages().map(encode_message), st.integers(0, 400), st.integers(0, 255))
    return made | cut | changed | st.binary(max_size=40)


def header_lists() -> st.SearchStrategy[Headers]:
    """Return record headers: of the names that mean something, and of others, with values right, nearly right and wrong."""
    names = st.sampled_from([PROCESS_AT, UNIQUE_TTL, GROUP, "trace", ""])
    numbers = st.one_of(int64s, st.integers(1_700_000_000, 1_700_000_100), st.integers(-1, 70)).map(b"%d".__mod__)
    values = numbers | numbers | st.binary(max_size=25) | st.sampled_from([b"", b"g", b"1e3", b"9" * 400])
    return st.lists(st.tuples(names, values), max_size=4).map(tuple) | st.just(HEADERS_UNREADABLE)


def _with_byte(data: bytes, position: int, value: int) -> bytes:
    at = position % (len(data) or 1)
    return data[:at] + bytes((value,)) + data[at + 1 :]
