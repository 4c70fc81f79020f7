"""What do messages with a lock share?

Contract: as `decoding`: pure but for caches that change no answer, thread-safe. A tail is what stands behind the id of a message in
canonical form; with a unique key in its midst no two are alike, but what stands around the key is.
Not obvious: where the key stands is guessed from the tail's length and then checked, byte for byte: what is around it must have been
read before, and the key must be valid text, or else replicas with other caches would not agree.
"""

from __future__ import annotations

from dataclasses import replace

from asynq_compat.wire.codec.encoding import encode_message
from asynq_compat.wire.codec.task_message import TaskMessage

CACHE_SIZE_MAX = 4_096
CACHED_BYTES_MAX = 512
# retried, error_msg, last_failed_at, completed_at; None: as it was.
Changes = tuple[int | None, str | None, int | None, int | None]
_UNIQUE_KEY = 0x52
_HEAD_BYTES = 2
_KEY_BYTES_MAX = 127  # A longer one has a longer head.

_Around = tuple[bytes, bytes]


class LockedTails:
    """Tails with a unique key, known by what stands around it."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, int]] = {}  # A tail's length -> where the key's field begins and ends.
        self._rests: dict[_Around, TaskMessage] = {}
        self._amended: dict[tuple[bytes, bytes, Changes], _Around] = {}

    def remember(self, tail: bytes, rest: TaskMessage) -> None:
        """Keep what the tails to come may share with this one, which is canonical and has the fields of `rest`."""
        size = len(rest.unique_key.encode())
        front, end = _around(rest)
        if size > _KEY_BYTES_MAX or len(tail) > CACHED_BYTES_MAX:
            return
        if len(self._rests) >= CACHE_SIZE_MAX:
            self._rests.clear()
        self._places[len(tail)] = len(front), len(front) + _HEAD_BYTES + size
        self._rests[front, end] = replace(rest, unique_key="")

    def split(self, tail: bytes) -> tuple[str, TaskMessage]:
        """Return the key, and the other fields, which are shared and must not be changed.

        Raises:
            KeyError: Nothing like it has been read before.
            UnicodeDecodeError: The key is no text.
        """
        begin, end, rest = self._place(tail)
        return tail[begin + _HEAD_BYTES : end].decode(), rest

    def place(self, tail: bytes) -> tuple[int, int, TaskMessage] | None:
        """Return where the key begins and ends, and the other fields, shared; None when nothing like it has been read before."""
        try:
            begin, end, rest = self._place(tail)
        except KeyError:
            return None
        return begin + _HEAD_BYTES, end, rest

    def amended(self, tail: bytes, changes: Changes) -> bytes | None:
        """Return the tail with the fields changed; None when nothing like it has been read before."""
        try:
            begin, end, rest = self._place(tail)
            tail[begin + _HEAD_BYTES : end].decode()
        except (KeyError, UnicodeDecodeError):
            return None
        key = tail[:begin], tail[end:], changes
        around = self._amended.get(key)
        if around is None:
            around = _around(changed(rest, changes))
            if len(around[0]) + len(around[1]) <= CACHED_BYTES_MAX:
                if len(self._amended) >= CACHE_SIZE_MAX:
                    self._amended.clear()
                self._amended[key] = around
        return around[0] + tail[begin:end] + around[1]

    def _place(self, tail: bytes) -> tuple[int, int, TaskMessage]:
        """Return where the key's field begins and ends, and the other fields."""
        begin, end = self._places[len(tail)]
        rest = self._rests[tail[:begin], tail[end:]]
        if tail[begin] != _UNIQUE_KEY or tail[begin + 1] != end - begin - _HEAD_BYTES:
            raise KeyError(tail)
        return begin, end, rest


def changed(message: TaskMessage, changes: Changes) -> TaskMessage:
    """Return the message with the fields changed."""
    retried, error_msg, last_failed_at, completed_at = changes
    return replace(
        message,
        retried=message.retried if retried is None else retried,
        error_msg=message.error_msg if error_msg is None else error_msg,
        last_failed_at=message.last_failed_at if last_failed_at is None else last_failed_at,
        completed_at=message.completed_at if completed_at is None else completed_at,
    )


def _around(rest: TaskMessage) -> _Around:
    """Return what Go writes before and behind the unique key."""
    front = replace(
        rest,
        unique_key="",
        last_failed_at=0,
        retention=0,
        completed_at=0,
        group_key="",
        headers=None,
        unknown=b"",
    )
    end = TaskMessage(
        last_failed_at=rest.last_failed_at,
        retention=rest.retention,
        completed_at=rest.completed_at,
        group_key=rest.group_key,
        headers=rest.headers,
        unknown=rest.unknown,
    )
    return encode_message(front), encode_message(end)
