"""How does a client hand tasks to a broker?

Contract: one outcome per request, in the same order; what is reported as enqueued is durable as far as the broker promises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from asynq_compat.errors import AsynqError
from asynq_compat.wire.hot_record import hot_record


@hot_record
class EnqueueRequest:
    """One task to store.

    Attributes:
        queue: Name of the queue, raw.
        task_id: Id of the task, unique in its queue.
        message: The encoded TaskMessage; its id, queue, unique_key and group_key agree with the fields here.
        process_at: Unix seconds at which it becomes pending; None means at once.
        group: Group to wait in; "" means none. With `process_at` it is not honoured by Redis, as in Go.
        unique_key: The uniqueness lock's full key; "" means none.
        unique_ttl_s: How long the lock lasts, from now, whole seconds; 0 with an empty key.
        has_chosen_id: True when the caller chose the id, so that a conflict is possible.
    """

    queue: str
    task_id: str
    message: bytes
    process_at: int | None = None
    group: str = ""
    unique_key: str = ""
    unique_ttl_s: int = 0
    has_chosen_id: bool = False


class EnqueueStatus(Enum):
    """What became of one request."""

    ENQUEUED = "enqueued"
    DUPLICATE = "duplicate"
    ID_CONFLICT = "id_conflict"


# An AsynqError stands for a request that could not be tried: too large, unsupported, or its part of the batch met an outage.
EnqueueOutcome = EnqueueStatus | AsynqError


class Producing(Protocol):
    """What a client asks of a broker. Thread-safe."""

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> Sequence[EnqueueOutcome]:
        """Store each request or say why not: one outcome per request, same order.

        Raises:
            BrokerUnavailableError: No answer for the whole batch; `may_have_happened` says whether it may be stored.
        """
