"""Which lock makes a task unique?

Contract: pure. The queue is the one chosen; headers, options and id play no part.
Not obvious: no payload (None) and an empty one (b"") give different keys, as a nil and an empty slice do in Go.
Source: asynq v0.26.0 `UniqueKey`.
"""

from __future__ import annotations

import hashlib


def unique_key(queue: str, task_type: str, payload: bytes | None) -> str:
    """Return the full Redis key of the lock, with the lower-case hex MD5 of the payload."""
    digest = "" if payload is None else hashlib.md5(payload, usedforsecurity=False).hexdigest()
    return f"asynq:{{{queue}}}:unique:{task_type}:{digest}"
