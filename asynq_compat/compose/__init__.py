"""How do a task and its options become one request?

Contract: pure but for chance (ids). The caller says what time it is. The first error in Go's order is the one reported: task, type,
options in their order (the task's own first), then what cannot be encoded.
"""

from __future__ import annotations

from asynq_compat.compose.requests import EnqueueItem, compose, compose_many

__all__ = ["EnqueueItem", "compose", "compose_many"]
