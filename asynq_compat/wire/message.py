"""Where is everything about a task's message?

Contract: the value, and its way to bytes and back; pure.
"""

from __future__ import annotations

from asynq_compat.wire.codec.decoding import amend_message, decode_message, split_message, valid_text
from asynq_compat.wire.codec.encoding import encode_message, encode_new
from asynq_compat.wire.codec.rows import Row, split_messages
from asynq_compat.wire.codec.task_message import TaskMessage
from asynq_compat.wire.codec.task_type import type_of, type_prefix

__all__ = [
    "Row",
    "TaskMessage",
    "amend_message",
    "decode_message",
    "encode_message",
    "encode_new",
    "split_message",
    "split_messages",
    "type_of",
    "type_prefix",
    "valid_text",
]
