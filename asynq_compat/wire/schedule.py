"""What does a scheduler tell about its periodic tasks?

Contract: pure. Messages SchedulerEntry and SchedulerEnqueueEvent of asynq v0.26.0; instants are Unix nanoseconds here and Timestamps on the
wire.
Not obvious: a task never enqueued has Go's zero time, year 1 (`ZERO_TIME_NS`), as its previous time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.wire.server_info import ZERO_TIME_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEntry:
    """One periodic task; `enqueue_options` are texts such as ``Queue("low")``."""

    id: str = ""
    spec: str = ""
    task_type: str = ""
    task_payload: bytes = b""
    enqueue_options: Sequence[str] = ()
    next_enqueue_time_ns: int = ZERO_TIME_NS
    prev_enqueue_time_ns: int = ZERO_TIME_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEnqueueEvent:
    """One enqueueing of a periodic task."""

    task_id: str = ""
    enqueue_time_ns: int = ZERO_TIME_NS


def encode_scheduler_entry(entry: SchedulerEntry) -> bytes:
    """Return the bytes of `entry`.

    Raises:
        InvalidArgumentError: A value cannot be expressed; names the field.
    """
    from asynq_compat.wire import generated

    message = generated.SchedulerEntry()
    for option in entry.enqueue_options:
        try:
            message.enqueue_options.append(option)
        except (ValueError, TypeError) as error:
            raise InvalidArgumentError(f"enqueue_options cannot hold {option!r:.80}: {error}") from error
    scalars: dict[str, str | int | bytes] = {
        "id": entry.id,
        "spec": entry.spec,
        "task_type": entry.task_type,
        "task_payload": entry.task_payload,
    }
    instants = {"next_enqueue_time": entry.next_enqueue_time_ns, "prev_enqueue_time": entry.prev_enqueue_time_ns}
    return generated.serialize(message, scalars, instants)


def decode_scheduler_entry(data: bytes) -> SchedulerEntry:
    """Return the entry in `data`.

    Raises:
        CorruptDataError: There is none.
    """
    from asynq_compat.wire import generated

    message = generated.parse(generated.SchedulerEntry, data)
    return SchedulerEntry(
        id=message.id,
        spec=message.spec,
        task_type=message.task_type,
        task_payload=message.task_payload,
        enqueue_options=tuple(message.enqueue_options),
        next_enqueue_time_ns=generated.nanoseconds(message.next_enqueue_time),
        prev_enqueue_time_ns=generated.nanoseconds(message.prev_enqueue_time),
    )


def encode_enqueue_event(event: SchedulerEnqueueEvent) -> bytes:
    """Return the bytes of `event`.

    Raises:
        InvalidArgumentError: A value cannot be expressed; names the field.
    """
    from asynq_compat.wire import generated

    instants = {"enqueue_time": event.enqueue_time_ns}
    return generated.serialize(generated.SchedulerEnqueueEvent(), {"task_id": event.task_id}, instants)


def decode_enqueue_event(data: bytes) -> SchedulerEnqueueEvent:
    """Return the event in `data`.

    Raises:
        CorruptDataError: There is none.
    """
    from asynq_compat.wire import generated

    message = generated.parse(generated.SchedulerEnqueueEvent, data)
    return SchedulerEnqueueEvent(task_id=message.task_id, enqueue_time_ns=generated.nanoseconds(message.enqueue_time))
