"""What is inside a task's message?

Contract: a value; treat it as immutable. Field names, numbers and types are those of asynq v0.26.0's TaskMessage.
Not obvious: an empty and an absent payload are the same on the wire, but not in the unique key; decoding gives None for both.
Source: docs/semantics.md, "wire".
"""

from __future__ import annotations

from collections.abc import Mapping

from asynq_compat.wire.hot_record import hot_record


@hot_record
class TaskMessage:
    """One task as Asynq stores it.

    Attributes:
        type: Name of the task type.
        payload: Opaque bytes; None and b"" are the same on the wire.
        id: Id, unique in its queue.
        queue: Name of the queue, raw.
        retry: Maximum number of retries, int32.
        retried: Retries so far, int32.
        error_msg: Text of the last failure; "" for none.
        timeout: Processing time limit in seconds; 0 for none.
        deadline: Processing deadline, Unix seconds; 0 for none.
        unique_key: Full key of the uniqueness lock; "" for none.
        last_failed_at: Unix seconds of the last failure; 0 for never.
        retention: Seconds to keep it after success; 0 to delete it at once.
        completed_at: Unix seconds of success, only when retained.
        group_key: Name of its group; "" for none.
        headers: Metadata; None and an empty mapping are the same on the wire.
        unknown: Fields this version does not know, as encoded, kept when the message is written again.
    """

    type: str = ""
    payload: bytes | None = None
    id: str = ""
    queue: str = ""
    retry: int = 0
    retried: int = 0
    error_msg: str = ""
    timeout: int = 0
    deadline: int = 0
    unique_key: str = ""
    last_failed_at: int = 0
    retention: int = 0
    completed_at: int = 0
    group_key: str = ""
    headers: Mapping[str, str] | None = None
    unknown: bytes = b""
