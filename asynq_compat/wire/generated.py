"""How do the messages that are on no hot path become bytes, and back?

Contract: pure. Every failure is one of our errors and names the field. Import this module where it is used, inside functions: the protobuf
library takes longer to import than the rest of this package.
Not obvious: a Timestamp reaches back to year 1; integers of nanoseconds do so too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from asynq_compat.errors import CorruptDataError, InvalidArgumentError
from asynq_compat.wire._pb.asynq_pb2 import SchedulerEnqueueEvent, SchedulerEntry, ServerInfo, WorkerInfo

__all__ = ["SchedulerEnqueueEvent", "SchedulerEntry", "ServerInfo", "WorkerInfo", "nanoseconds", "parse", "serialize"]

_NS_PER_S = 1_000_000_000
_SHOWN_CHARS_MAX = 80

_M = TypeVar("_M", bound=Message)


def serialize(message: Message, scalars: Mapping[str, str | int | bytes], instants_ns: Mapping[str, int]) -> bytes:
    """Return the bytes of `message` with these fields set; what it holds already stays.

    Raises:
        InvalidArgumentError: A value cannot be expressed; names the field.
    """
    for name, value in scalars.items():
        try:
            setattr(message, name, value)
        except (ValueError, TypeError) as error:
            raise _refused(name, value, error) from error
    for name, value in instants_ns.items():
        timestamp: Timestamp = getattr(message, name)
        try:
            timestamp.seconds, timestamp.nanos = divmod(value, _NS_PER_S)
        except (ValueError, TypeError) as error:
            raise _refused(name, value, error) from error
        timestamp.SetInParent()  # also the epoch is written
    return message.SerializeToString(deterministic=True)


def parse(kind: type[_M], data: bytes) -> _M:
    """Return the message in `data`.

    Raises:
        CorruptDataError: There is none.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise CorruptDataError(f"{len(data)} bytes are no {kind.DESCRIPTOR.name}: {error}") from error


def nanoseconds(timestamp: Timestamp) -> int:
    """Return Unix nanoseconds; an absent timestamp is the epoch, as in Go."""
    return timestamp.seconds * _NS_PER_S + timestamp.nanos


def _refused(name: str, value: object, error: Exception) -> InvalidArgumentError:
    shown = repr(value)
    if len(shown) > _SHOWN_CHARS_MAX:
        shown = shown[: _SHOWN_CHARS_MAX - 1] + "…"
    return InvalidArgumentError(f"{name} cannot be written, got {shown}: {error}")
