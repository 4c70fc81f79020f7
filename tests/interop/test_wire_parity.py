"""Are our messages and unique keys Go's, byte for byte?"""

from __future__ import annotations

import base64
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire import TaskMessage, decode_message, encode_message, unique_key
from asynq_compat.wire.bare import parse_bare
from asynq_compat.wire.server_info import (
    ServerInfo,
    WorkerInfo,
    decode_server_info,
    decode_worker_info,
    encode_server_info,
    encode_worker_info,
)
from tests.interop.go_oracle import Oracle, message_args, message_of
from tests.unit.wire.strategies import hostile_bytes, int32s, messages, texts

_parity = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_parity
@given(message=messages(headers_max=1))
def test_go_writes_our_bytes(oracle: Oracle, message: TaskMessage) -> None:
    assert base64.b64decode(oracle.call("enc.message", **message_args(message))) == encode_message(message)


@_parity
@given(message=messages(headers_max=4))
def test_each_reads_what_the_other_wrote(oracle: Oracle, message: TaskMessage) -> None:
    by_go = base64.b64decode(oracle.call("enc.message", **message_args(message)))

    expected = decode_message(encode_message(message))
    assert decode_message(by_go) == expected
    assert message_of(oracle.call("dec.message", data=encode_message(message))) == expected


@_parity
@given(queue=texts, task_type=texts, payload=st.none() | st.binary(max_size=100))
def test_unique_keys_are_go_s(oracle: Oracle, queue: str, task_type: str, payload: bytes | None) -> None:
    assert oracle.call("unique", queue=queue, type=task_type, payload=payload) == unique_key(queue, task_type, payload)


_instants = st.builds(
    lambda seconds, nanos: seconds * 1_000_000_000 + nanos,
    st.integers(-62_135_596_800, 253_402_300_799),
    st.integers(0, 999_999_999),
)


def _instant(ns: int) -> list[int]:
    return list(divmod(ns, 1_000_000_000))


@_parity
@given(
    info=st.builds(
        ServerInfo,
        host=texts,
        pid=int32s,
        server_id=texts,
        concurrency=int32s,
        queues=st.dictionaries(texts, int32s, max_size=1),
        strict_priority=st.booleans(),
        status=texts,
        start_time_ns=_instants,
        active_worker_count=int32s,
    )
)
def test_a_server_s_information_has_go_s_bytes(oracle: Oracle, info: ServerInfo) -> None:
    args = {field.name: getattr(info, field.name) for field in fields(info)}
    args["start_time"] = _instant(args.pop("start_time_ns"))

    by_go = base64.b64decode(oracle.call("enc.server_info", **args))

    assert encode_server_info(info) == by_go
    assert decode_server_info(by_go) == info


@_parity
@given(
    info=st.builds(
        WorkerInfo,
        host=texts,
        pid=int32s,
        server_id=texts,
        task_id=texts,
        task_type=texts,
        task_payload=st.binary(max_size=30),
        queue=texts,
        start_time_ns=_instants,
        deadline_ns=_instants,
    )
)
def test_a_worker_s_information_has_go_s_bytes(oracle: Oracle, info: WorkerInfo) -> None:
    args = {field.name: getattr(info, field.name) for field in fields(info)}
    args |= {"start_time": _instant(args.pop("start_time_ns")), "deadline": _instant(args.pop("deadline_ns"))}

    by_go = base64.b64decode(oracle.call("enc.worker_info", **args))

    assert encode_worker_info(info) == by_go
    assert decode_worker_info(by_go) == info


def _ours(data: bytes) -> TaskMessage | None:
    try:
        message = decode_message(data)
    except CorruptDataError:
        return None
    message.unknown = b""  # type: ignore[misc] # Go drops what it does not know
    return message


@_parity
@given(samples=st.lists(hostile_bytes(), min_size=20, max_size=60))
def test_hostile_bytes_mean_the_same_to_go(oracle: Oracle, samples: list[bytes]) -> None:
    for data, answer in zip(samples, oracle.call("dec.messages", data=samples), strict=True):
        by_go = None if "error" in answer else message_of(answer)
        assert _ours(data) == by_go, f"{data.hex()}: {answer}"
        if data and not data.startswith(b"\x00"):
            assert isinstance(parse_bare(data), str) == (by_go is None)


@pytest.mark.parametrize("depth", [1, 10_000, 10_001, 10_002])
def test_groups_may_be_nested_as_deeply_as_in_go(oracle: Oracle, depth: int) -> None:
    data = b"\xa3\x01" * depth + b"\xa4\x01" * depth

    (answer,) = oracle.call("dec.messages", data=[data])

    assert (_ours(data) is None) == ("error" in answer)
