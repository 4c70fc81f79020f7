"""How do values become bytes, and bytes values?

Contract: pure; the only package that imports protobuf or msgpack. `message`, `unique`, `server_info` and `schedule` are Asynq's formats
(hibiken/asynq v0.26.0), `frame` and `command` are the journal's, `bare` reads what foreign producers append to it.
"""

from __future__ import annotations

from asynq_compat.wire.message import TaskMessage, decode_message, encode_message
from asynq_compat.wire.unique import unique_key

__all__ = ["TaskMessage", "decode_message", "encode_message", "unique_key"]
