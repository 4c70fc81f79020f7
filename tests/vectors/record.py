"""What does Go say to each input of these vectors?

Contract: ``python -m tests.vectors.record`` asks the oracle (Go is needed) and writes the .jsonl files beside this one again; no difference is
expected unless an input was added here. The README describes the files for programs in other languages.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.interop.go_oracle import Oracle, OracleError
from tests.services import golang

FOLDER = Path(__file__).parent
_UUID = "550e8400-e29b-41d4-a716-446655440000"
_ZERO_TIME = [-62_135_596_800, 0]
_USUAL: dict[str, Any] = {
    "type": "email:deliver",
    "payload": b'{"user_id":42}',
    "id": _UUID,
    "queue": "default",
    "retry": 25,
}

MESSAGES: list[dict[str, Any]] = [
    {},
    {"headers": {}},
    {"payload": b""},
    {"headers": {"": ""}},
    {**_USUAL, "timeout": 1800},
    {**_USUAL, "timeout": 1800, "deadline": 1_700_000_000, "retention": 86_400},
    {**_USUAL, "retried": 3, "error_msg": "connection refused", "last_failed_at": 1_700_000_000},
    {**_USUAL, "retention": 60, "completed_at": 1_700_000_001},
    {**_USUAL, "unique_key": "asynq:{default}:unique:email:deliver:900150983cd24fb0d6963f7d28e17f72"},
    {**_USUAL, "group_key": "tenant-7", "headers": {"traceparent": "00-a1-b2-01"}},
    {**_USUAL, "type": "größe", "queue": "低", "error_msg": "😀\u0000"},
    {**_USUAL, "payload": bytes(range(256))},
    {**_USUAL, "payload": b"x" * 16_384},
    {"retry": 2**31 - 1, "retried": -(2**31)},
    {"timeout": -1, "deadline": -(2**63), "retention": 2**63 - 1, "last_failed_at": 127, "completed_at": 128},
    {
        "type": "t",
        "payload": b"p",
        "id": "i",
        "queue": "q",
        "retry": 25,
        "retried": -1,
        "timeout": 1800,
        "group_key": "g",
        "headers": {"k": "v"},
    },
]

INFOS: list[tuple[str, dict[str, Any]]] = [
    ("server_info", {"host": "h", "pid": 1, "start_time": [5, 7]}),
    (
        "server_info",
        {
            "host": "web-1",
            "pid": 4242,
            "server_id": _UUID,
            "concurrency": 10,
            "queues": {"default": 1},
            "strict_priority": True,
            "status": "active",
            "start_time": [1_700_000_000, 123_456_789],
            "active_worker_count": 3,
        },
    ),
    ("worker_info", {"start_time": _ZERO_TIME, "deadline": _ZERO_TIME}),
    (
        "worker_info",
        {
            "host": "web-1",
            "pid": 4242,
            "server_id": _UUID,
            "task_id": "i",
            "task_type": "t",
            "task_payload": b"p",
            "queue": "q",
            "start_time": [1_700_000_000, 1],
            "deadline": [1_700_001_800, 0],
        },
    ),
    ("scheduler_entry", {"id": "e", "next_enqueue_time": [100, 0], "prev_enqueue_time": _ZERO_TIME}),
    (
        "scheduler_entry",
        {
            "id": "e",
            "spec": "@every 30s",
            "task_type": "t",
            "task_payload": b"p",
            "enqueue_options": ['Queue("low")', "MaxRetry(3)"],
            "next_enqueue_time": [1_700_000_030, 0],
            "prev_enqueue_time": [1_700_000_000, 0],
        },
    ),
    ("enqueue_event", {"task_id": "i", "enqueue_time": [0, 0]}),
    ("enqueue_event", {"task_id": "i", "enqueue_time": [1_700_000_000, 999_999_999]}),
]

DECODED = [
    "",
    "0a01740a0175",  # the last one wins
    "28ffffffffffffffffff01",  # all 64 bits in an int32: -1
    "2880808080808080808002",  # larger than 64 bits
    "288080808010",  # 2**32: the low 32 bits are 0
    "2a0161",  # a known field with another wire type
    "a201036162630a017498012a",  # fields of a newer Asynq
    "0a8000",  # a length longer than needed
    "8a000174",  # a tag longer than needed
    "0a0274",  # cut short
    "0a01ff",  # not UTF-8
    "1201ff",  # bytes may be anything
    "0a03eda080",  # an encoded surrogate
    "7a00",  # a header without key and value
    "7a060a016b1201767a060a016b120177",  # the last one wins
    "7a0b0a016b1a01781201762001",  # something unknown in a header
    "7a0408010a01",  # cut short in a header
    "a301a401",  # an empty group
    "a3019c01a401",  # the wrong group ends
    "a301",  # a group without end
    "a401",  # an end without group
    "00",  # field number 0
    "0f",  # wire type 7
    "f8ffffff0f00",  # the largest field number
    "80808080100a",  # a larger one
    "9401",  # the beginning of a journal's frame
]

UNIQUE: list[tuple[str, str, bytes | None]] = [
    ("default", "email:deliver", b'{"user_id":42}'),
    ("q", "t", None),
    ("q", "t", b""),
    ("q", "t", b"abc"),
    ("q", "t:with:colons", bytes(range(256))),
    ("a}b", "größe", b"x"),
    ("", "", None),
]


def files(go: Oracle) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Return name and lines of each file, as Go answers now."""
    yield "messages", [{"fields": m, "hex": _hex(go, "message", m)} for m in MESSAGES]
    yield "infos", [{"kind": kind, "fields": i, "hex": _hex(go, kind, i)} for kind, i in INFOS]
    yield "decoding", [{"hex": data, "fields": _decoded(go, data)} for data in DECODED]
    yield (
        "unique_keys",
        [
            {"queue": q, "type": t, "payload": p, "key": go.call("unique", queue=q, type=t, payload=p)}
            for q, t, p in UNIQUE
        ],
    )


def _hex(go: Oracle, kind: str, fields: dict[str, Any]) -> str:
    return base64.b64decode(go.call(f"enc.{kind}", **fields)).hex()


def _decoded(go: Oracle, data: str) -> dict[str, Any] | None:
    try:
        answer = go.call("dec.message", data=bytes.fromhex(data))
    except OracleError:
        return None
    # Zero values are left out, as in the other files.
    return {name: value for name, value in answer.items() if value}


def _plain(value: object) -> str:
    assert isinstance(value, bytes)
    return base64.b64encode(value).decode()


def main() -> None:
    """Write all files again."""
    with Oracle(golang.build("oracle")) as go:
        for name, lines in files(go):
            text = "".join(json.dumps(line, default=_plain, ensure_ascii=False) + "\n" for line in lines)
            (FOLDER / f"{name}.jsonl").write_text(text)


if __name__ == "__main__":
    main()
