"""Do we say what Go said when tests/vectors was recorded?"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire import TaskMessage, decode_message, encode_message, schedule, server_info, unique_key

VECTORS = Path(__file__).parents[2] / "vectors"
_BYTES = {"payload", "task_payload"}
_INSTANTS = {"start_time", "deadline", "next_enqueue_time", "prev_enqueue_time", "enqueue_time"}
_KINDS: dict[str, tuple[Callable[..., Any], Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "server_info": (server_info.ServerInfo, server_info.encode_server_info, server_info.decode_server_info),
    "worker_info": (server_info.WorkerInfo, server_info.encode_worker_info, server_info.decode_worker_info),
    "scheduler_entry": (schedule.SchedulerEntry, schedule.encode_scheduler_entry, schedule.decode_scheduler_entry),
    "enqueue_event": (schedule.SchedulerEnqueueEvent, schedule.encode_enqueue_event, schedule.decode_enqueue_event),
}


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / f"{name}.jsonl").read_text().splitlines()]


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _BYTES:
            values[name] = base64.b64decode(value)
        elif name in _INSTANTS and isinstance(value, list):
            values[f"{name}_ns"] = value[0] * 1_000_000_000 + value[1]
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return values


def _message(fields: dict[str, Any]) -> TaskMessage:
    return TaskMessage(**_values(fields))


@pytest.mark.parametrize("line", _lines("messages"), ids=lambda line: line["hex"][:20])
def test_messages(line: dict[str, Any]) -> None:
    message = _message(line["fields"])

    assert encode_message(message).hex() == line["hex"]
    assert decode_message(bytes.fromhex(line["hex"])) == replace(
        message, payload=message.payload or None, headers=message.headers or None
    )


@pytest.mark.parametrize("line", _lines("infos"), ids=lambda line: line["kind"])
def test_infos(line: dict[str, Any]) -> None:
    make, encode, decode = _KINDS[line["kind"]]
    values = _values(line["fields"])
    info = make(**({"queues": {}} if line["kind"] == "server_info" else {}) | values)

    assert encode(info).hex() == line["hex"]
    assert decode(bytes.fromhex(line["hex"])) == info


@pytest.mark.parametrize("line", _lines("decoding"), ids=lambda line: line["hex"][:20] or "empty")
def test_decoding(line: dict[str, Any]) -> None:
    data = bytes.fromhex(line["hex"])

    if line["fields"] is None:
        with pytest.raises(CorruptDataError):
            decode_message(data)
    else:
        assert replace(decode_message(data), unknown=b"") == _message(line["fields"])


@pytest.mark.parametrize("line", _lines("unique_keys"), ids=lambda line: line["key"])
def test_unique_keys(line: dict[str, Any]) -> None:
    payload = None if line["payload"] is None else base64.b64decode(line["payload"])

    assert unique_key(line["queue"], line["type"], payload) == line["key"]
