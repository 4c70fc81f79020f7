"""How do bytes become a task's message?

Contract: pure, thread-safe; accepts and refuses what Go does (see `parsing`).
Not obvious: tasks of one kind end in the same bytes (queue, retries, timeouts), so type, payload and id are sliced out and the parsed rest is
looked up by its bytes; a unique key in their midst is sliced out too (`locked`). Only messages in canonical form go this way, everything
else takes the parser; both give the same answer.
"""

from __future__ import annotations

from dataclasses import replace

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire.codec.encoding import encode_message
from asynq_compat.wire.codec.locked import CACHE_SIZE_MAX, CACHED_BYTES_MAX, Changes, LockedTails, changed
from asynq_compat.wire.codec.parsing import parse_message
from asynq_compat.wire.codec.task_message import TaskMessage

_TYPE, _PAYLOAD, _ID, _UUID_SIZE = 0x0A, 0x12, 0x1A, 36
# What stands before an id in canonical form.
ID_HEAD = bytes((_ID, _UUID_SIZE))

_types: dict[bytes, str] = {}
_rests: dict[bytes, TaskMessage] = {}
_amended_tails: dict[tuple[bytes, Changes], bytes] = {}
_locked = LockedTails()


def decode_message(encoded: bytes) -> TaskMessage:
    """Return the message in `encoded`; zero bytes are a valid, empty one.

    Raises:
        CorruptDataError: It is no TaskMessage; says why and at which byte.
    """
    task_type, payload, task_id, unique_key, r = split_message(encoded)
    return TaskMessage(
        task_type,
        payload,
        task_id,
        r.queue,
        r.retry,
        r.retried,
        r.error_msg,
        r.timeout,
        r.deadline,
        unique_key,
        r.last_failed_at,
        r.retention,
        r.completed_at,
        r.group_key,
        r.headers,
        r.unknown,
    )


def split_message(encoded: bytes) -> tuple[str, bytes | None, str, str, TaskMessage]:
    """Return type, payload, id and unique key of a message, and all of its other fields.

    The last of the five has none of the four; it is shared between messages and must not be changed. This is what a hot path calls: it
    builds no record.

    Raises:
        CorruptDataError: As `decode_message`.
    """
    try:
        # The same walk as in `_tail_at`, written out: a call costs a tenth of the whole. A type's key is its whole field.
        at = encoded[1] + 2
        task_type = _types[encoded[:at]]
        start = at
        if encoded[at] == 0x12:
            size = encoded[at + 1]
            if size < 128:
                start = at + 2
                at = start + size
            elif 0 < (high := encoded[at + 2]) < 128:
                start = at + 3
                at = start + size - 128 + (high << 7)
        if encoded[at] == 0x1A and encoded[at + 1] == 36:
            id_end = at + 38
            tail = encoded[id_end:]
            key, rest = "", _rests.get(tail)
            if rest is None:
                key, rest = _locked.split(tail)
            return task_type, encoded[start:at] or None, encoded[at + 2 : id_end].decode(), key, rest
    except (KeyError, IndexError, UnicodeDecodeError):
        pass  # seen for the first time, or unusual: the parser says what it is
    message = parse_message(encoded)
    _remember(encoded, message.type)
    rest = replace(message, type="", payload=None, id="", unique_key="")
    return message.type, message.payload, message.id, message.unique_key, rest


# Where payload, id field, tail and unique key of a message begin and where the key ends; its type, its other fields.
KnownParts = tuple[int, int, int, int, int, str, TaskMessage]


def known_parts(encoded: bytes) -> KnownParts | None:
    """Return where the parts of a message begin; one without a unique key has an empty one at its end.

    None unless it is in canonical form and one like it was read before.
    """
    tail_at = _tail_at(encoded)
    if not tail_at:
        return None
    at = encoded[1] + 2
    tail = encoded[tail_at:]
    task_type, rest = _types.get(encoded[:at]), _rests.get(tail)
    place = (len(tail), len(tail), rest) if rest is not None else _locked.place(tail)
    if task_type is None or place is None:
        return None
    key_at, key_end, rest = place
    if encoded[at] == _PAYLOAD:
        at += 2 if encoded[at + 1] < 128 else 3
    return at, tail_at - _UUID_SIZE - len(ID_HEAD), tail_at, tail_at + key_at, tail_at + key_end, task_type, rest


def _remember(encoded: bytes, task_type: str) -> None:
    """Keep what the messages to come may share with this one."""
    at = _tail_at(encoded)
    if at and _rest(encoded[at:]) is not None:
        if len(_types) >= CACHE_SIZE_MAX:
            _types.clear()
        _types[encoded[: encoded[1] + 2]] = task_type


def amend_message(
    encoded: bytes,
    *,
    retried: int | None = None,
    error_msg: str | None = None,
    last_failed_at: int | None = None,
    completed_at: int | None = None,
) -> bytes:
    """Return `encoded` with the given fields replaced and everything else kept, unknown fields too; canonical, as Go writes it.

    Pass only what was decoded before: type and id are copied, not read.

    Args:
        encoded: A message.
        retried: Retries so far.
        error_msg: Text of the failure, valid UTF-8 (see `valid_text`).
        last_failed_at: Unix seconds.
        completed_at: Unix seconds.

    Raises:
        CorruptDataError: `encoded` is no TaskMessage.
        InvalidArgumentError: A new value cannot be encoded.
    """
    changes = retried, error_msg, last_failed_at, completed_at
    at = _tail_at(encoded)
    if at:
        tail = encoded[at:]
        amended = _amended_tails.get((tail, changes)) or _locked.amended(tail, changes) or _amended_tail(tail, changes)
        if amended:
            return encoded[:at] + amended
    return encode_message(changed(parse_message(encoded), changes))


def _amended_tail(tail: bytes, changes: Changes) -> bytes | None:
    rest = _rests.get(tail) or _rest(tail)
    if rest is None:
        return None
    amended = encode_message(changed(rest, changes))
    if not rest.unique_key and len(tail) <= CACHED_BYTES_MAX and len(amended) <= CACHED_BYTES_MAX:
        if len(_amended_tails) >= CACHE_SIZE_MAX:
            _amended_tails.clear()
        _amended_tails[tail, changes] = amended
    return amended


def valid_text(text: str) -> str:
    """Return `text` with everything that UTF-8 cannot express (lone surrogates) replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _tail_at(encoded: bytes) -> int:
    """Return where the fields behind the id begin, when type, payload and id are in canonical form and the id has 36 bytes; else 0."""
    try:
        if encoded[0] != _TYPE:
            return 0
        size = encoded[1]
        if not 0 < size < 128:
            return 0
        at = size + 2
        if encoded[at] == _PAYLOAD:
            size = encoded[at + 1]
            if size >= 128:
                high = encoded[at + 2]
                if not 0 < high < 128:
                    return 0
                at += size - 125 + (high << 7)
            elif size:
                at += size + 2
            else:
                return 0
        if encoded[at] == _ID and encoded[at + 1] == _UUID_SIZE and at + _UUID_SIZE + 2 < len(encoded):
            return at + _UUID_SIZE + 2
    except IndexError:
        pass  # cut short: the parser says where
    return 0


def _rest(tail: bytes) -> TaskMessage | None:
    """Return the fields in `tail`; None when it is not canonical and therefore may change the fields before it."""
    try:
        rest = parse_message(tail)
    except CorruptDataError:
        return None  # the parser says where, counted from the start of the message
    if rest.type or rest.payload or rest.id or encode_message(rest) != tail:
        return None
    if rest.unique_key:
        _locked.remember(tail, rest)
    elif len(tail) <= CACHED_BYTES_MAX:
        if len(_rests) >= CACHE_SIZE_MAX:
            _rests.clear()
        _rests[tail] = rest
    return rest
