"""How does a task's message become bytes?

Contract: pure, thread-safe; the bytes are those of Go's asynq v0.26.0 (headers in the order of the mapping).
Not obvious: bulk enqueue stands or falls with this file. What repeats from task to task (type, and queue with the numbers) is encoded once
and looked up; the caches are cleared when full.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.wire.codec.task_message import TaskMessage
from asynq_compat.wire.codec.varint import encode_varint

_CACHE_SIZE_MAX = 4_096
_SHOWN_CHARS_MAX = 80

# Field tags: number << 3 | wire type.
_TYPE, _PAYLOAD, _ID, _QUEUE, _RETRY, _RETRIED, _ERROR_MSG = (
    b"\x0a",
    b"\x12",
    b"\x1a",
    b"\x22",
    b"\x28",
    b"\x30",
    b"\x3a",
)
_TIMEOUT, _DEADLINE, _UNIQUE_KEY, _LAST_FAILED_AT, _RETENTION = b"\x40", b"\x48", b"\x52", b"\x58", b"\x60"
_COMPLETED_AT, _GROUP_KEY, _HEADERS, _HEADER_KEY, _HEADER_VALUE = b"\x68", b"\x72", b"\x7a", b"\x0a", b"\x12"
_UUID_HEAD = _ID + b"\x24"

_type_fields: dict[str, bytes] = {}
_payload_heads: dict[int, bytes] = {}
_tails: dict[tuple[str, int, int, int, int], bytes] = {}
_lock_heads: dict[int, bytes] = {}
_ends: dict[tuple[int, str], bytes] = {}


def encode_message(message: TaskMessage) -> bytes:
    """Return the bytes of `message` as Go would write them, its `unknown` fields behind them.

    Raises:
        InvalidArgumentError: A text is not valid UTF-8, an integer out of range, or the payload not bytes; names the field.
    """
    m = message
    if m.retried or m.error_msg or m.last_failed_at or m.completed_at or m.unknown:
        return _encode_any(m)
    return encode_new(
        m.type,
        m.payload,
        m.id,
        m.queue,
        m.retry,
        m.timeout,
        m.deadline,
        m.retention,
        m.unique_key,
        m.group_key,
        m.headers,
    )


def encode_new(
    task_type: str,
    payload: bytes | None,
    task_id: str,
    queue: str,
    retry: int,
    timeout: int,
    deadline: int,
    retention: int,
    unique_key: str = "",
    group: str = "",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of a new task; the same as `encode_message` of these fields, a little quicker.

    Raises:
        InvalidArgumentError: As `encode_message`.
    """
    head = _type_fields.get(task_type)
    if head is None:
        head = _type_field(task_type)
    if unique_key or group or headers:
        tail = _long_tail(queue, retry, timeout, deadline, retention, unique_key, group, headers)
    else:
        plain = _tails.get((queue, retry, timeout, deadline, retention))
        tail = _tail(queue, retry, timeout, deadline, retention) if plain is None else plain
    try:
        encoded_id = task_id.encode()
    except (UnicodeEncodeError, AttributeError):
        _refuse_text("id", task_id)
    id_head = _UUID_HEAD if len(encoded_id) == 36 else _id_head(encoded_id)
    if payload is None:
        return b"".join((head, id_head, encoded_id, tail))
    if not isinstance(payload, bytes):
        _refuse_payload(payload)
    payload_head = _payload_heads.get(len(payload))
    if payload_head is None:
        payload_head = _payload_head(len(payload))
    return b"".join((head, payload_head, payload, id_head, encoded_id, tail))


def _type_field(task_type: str) -> bytes:
    if len(_type_fields) >= _CACHE_SIZE_MAX:
        _type_fields.clear()
    field = _type_fields[task_type] = _text(_TYPE, "type", task_type)
    return field


def _payload_head(size: int) -> bytes:
    if len(_payload_heads) >= _CACHE_SIZE_MAX:
        _payload_heads.clear()
    head = _payload_heads[size] = _PAYLOAD + encode_varint(size) if size else b""
    return head


def _id_head(encoded_id: bytes) -> bytes:
    return _ID + encode_varint(len(encoded_id)) if encoded_id else b""


def _tail(queue: str, retry: int, timeout: int, deadline: int, retention: int) -> bytes:
    tail = b"".join(
        (
            _text(_QUEUE, "queue", queue),
            _integer(_RETRY, "retry", retry, 32),
            _integer(_TIMEOUT, "timeout", timeout, 64),
            _integer(_DEADLINE, "deadline", deadline, 64),
            _integer(_RETENTION, "retention", retention, 64),
        )
    )
    if len(_tails) >= _CACHE_SIZE_MAX:
        _tails.clear()
    _tails[queue, retry, timeout, deadline, retention] = tail
    return tail


def _long_tail(
    queue: str,
    retry: int,
    timeout: int,
    deadline: int,
    retention: int,
    unique_key: str,
    group: str,
    headers: Mapping[str, str] | None,
) -> bytes:
    """Return what stands behind the id where there is a lock, a group or headers: the lock stands before the retention."""
    front = _tails.get((queue, retry, timeout, deadline, 0))
    if front is None:
        front = _tail(queue, retry, timeout, deadline, 0)
    end = _ends.get((retention, group))
    if end is None:
        end = _end(retention, group)
    if headers:
        end += _headers(headers)
    if not unique_key:
        return front + end
    try:
        lock = unique_key.encode()
    except (UnicodeEncodeError, AttributeError):
        _refuse_text("unique_key", unique_key)
    head = _lock_heads.get(len(lock))
    if head is None:
        head = _lock_head(len(lock))
    return b"".join((front, head, lock, end))


def _end(retention: int, group: str) -> bytes:
    if len(_ends) >= _CACHE_SIZE_MAX:
        _ends.clear()
    end = _integer(_RETENTION, "retention", retention, 64) + _text(_GROUP_KEY, "group_key", group)
    _ends[retention, group] = end
    return end


def _lock_head(size: int) -> bytes:
    if len(_lock_heads) >= _CACHE_SIZE_MAX:
        _lock_heads.clear()
    head = _lock_heads[size] = _UNIQUE_KEY + encode_varint(size)
    return head


def _encode_any(m: TaskMessage) -> bytes:
    if m.payload is not None and not isinstance(m.payload, bytes):
        _refuse_payload(m.payload)
    payload = m.payload or b""
    return b"".join(
        (
            _text(_TYPE, "type", m.type),
            _prefixed(_PAYLOAD, payload) if payload else b"",
            _text(_ID, "id", m.id),
            _text(_QUEUE, "queue", m.queue),
            _integer(_RETRY, "retry", m.retry, 32),
            _integer(_RETRIED, "retried", m.retried, 32),
            _text(_ERROR_MSG, "error_msg", m.error_msg),
            _integer(_TIMEOUT, "timeout", m.timeout, 64),
            _integer(_DEADLINE, "deadline", m.deadline, 64),
            _text(_UNIQUE_KEY, "unique_key", m.unique_key),
            _integer(_LAST_FAILED_AT, "last_failed_at", m.last_failed_at, 64),
            _integer(_RETENTION, "retention", m.retention, 64),
            _integer(_COMPLETED_AT, "completed_at", m.completed_at, 64),
            _text(_GROUP_KEY, "group_key", m.group_key),
            _headers(m.headers) if m.headers else b"",
            m.unknown,
        )
    )


def _headers(headers: Mapping[str, str]) -> bytes:
    entries = []
    for key, value in headers.items():
        encoded_key = _encode_text("a key of headers", key)
        encoded_value = _encode_text(f"headers[{_shown(key)}]", value)
        # Key and value are always written, also when empty.
        entry = _prefixed(_HEADER_KEY, encoded_key) + _prefixed(_HEADER_VALUE, encoded_value)
        entries.append(_prefixed(_HEADERS, entry))
    return b"".join(entries)


def _text(tag: bytes, name: str, value: str) -> bytes:
    encoded = _encode_text(name, value)
    return _prefixed(tag, encoded) if encoded else b""


def _prefixed(tag: bytes, encoded: bytes) -> bytes:
    return tag + encode_varint(len(encoded)) + encoded


def _encode_text(name: str, value: str) -> bytes:
    if not isinstance(value, str):
        _refuse_text(name, value)
    try:
        return value.encode()
    except UnicodeEncodeError:
        _refuse_text(name, value)


def _integer(tag: bytes, name: str, value: object, bits: int) -> bytes:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgumentError(f"{name} must be an integer, got {_shown(value)}")
    limit = 1 << (bits - 1)
    if not -limit <= value < limit:
        raise InvalidArgumentError(f"{name} must be an integer from {-limit} to {limit - 1}, got {_shown(value)}")
    return tag + encode_varint(value) if value else b""


def _refuse_text(name: str, value: object) -> NoReturn:
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} must be a str, got {_shown(value)}")
    raise InvalidArgumentError(
        f"{name} must be text that UTF-8 can express, got {_shown(value)}; it holds a lone surrogate, so its source was"
        " not decoded properly"
    )


def _refuse_payload(value: object) -> NoReturn:
    raise InvalidArgumentError(
        f"payload must be bytes or None, got {_shown(value)}; encode it first, e.g. json.dumps(value).encode()"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else text[: _SHOWN_CHARS_MAX - 1] + "…"
