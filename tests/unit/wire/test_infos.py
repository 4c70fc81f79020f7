"""Do server, worker and scheduler information become Go's bytes, and back?

The hex strings are what asynq v0.26.0 writes.
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.errors import CorruptDataError, InvalidArgumentError
from asynq_compat.wire import generated
from asynq_compat.wire.schedule import (
    SchedulerEnqueueEvent,
    SchedulerEntry,
    decode_enqueue_event,
    decode_scheduler_entry,
    encode_enqueue_event,
    encode_scheduler_entry,
)
from asynq_compat.wire.server_info import (
    ZERO_TIME_NS,
    ServerInfo,
    WorkerInfo,
    decode_server_info,
    decode_worker_info,
    encode_server_info,
    encode_worker_info,
)

texts = st.text(max_size=200)
instants_ns = st.integers(ZERO_TIME_NS, 253_402_300_799_999_999_999)


def test_a_server_s_information() -> None:
    info = ServerInfo(host="h", pid=1, queues={}, start_time_ns=5_000_000_007)

    assert encode_server_info(info).hex() == "0a01681001420408051007"
    assert decode_server_info(encode_server_info(info)) == info


def test_every_field_of_a_server_s_information_returns() -> None:
    info = ServerInfo(
        host="h",
        pid=2**31 - 1,
        server_id="s",
        concurrency=10,
        queues={"low": 1, "critical": 6},
        strict_priority=True,
        status="active",
        start_time_ns=1_700_000_000_123_456_789,
        active_worker_count=3,
    )

    assert decode_server_info(encode_server_info(info)) == info


def test_a_worker_s_information() -> None:
    info = WorkerInfo()

    assert encode_worker_info(info).hex() == "420b088092b8c398feffffff014a0b088092b8c398feffffff01"
    assert decode_worker_info(encode_worker_info(info)) == info


def test_a_scheduler_s_entry() -> None:
    entry = SchedulerEntry(id="e", next_enqueue_time_ns=100_000_000_000)

    assert encode_scheduler_entry(entry).hex() == "0a0165320208643a0b088092b8c398feffffff01"
    assert decode_scheduler_entry(encode_scheduler_entry(entry)) == entry
    full = SchedulerEntry(
        id="e",
        spec="@every 1s",
        task_type="t",
        task_payload=b"p",
        enqueue_options=('Queue("low")', "MaxRetry(1)"),
        next_enqueue_time_ns=1,
        prev_enqueue_time_ns=ZERO_TIME_NS + 1,
    )
    assert decode_scheduler_entry(encode_scheduler_entry(full)) == full


def test_an_enqueue_event_at_the_epoch_still_has_its_timestamp() -> None:
    event = SchedulerEnqueueEvent(task_id="i", enqueue_time_ns=0)

    assert encode_enqueue_event(event).hex() == "0a01691200"
    assert decode_enqueue_event(encode_enqueue_event(event)) == event
    assert decode_enqueue_event(b"") == SchedulerEnqueueEvent(enqueue_time_ns=0), "as in Go"


def test_what_cannot_be_written_is_refused_by_field() -> None:
    with pytest.raises(InvalidArgumentError, match=r"pid cannot be written, got 2147483648"):
        encode_server_info(ServerInfo(pid=2**31, queues={}))
    with pytest.raises(InvalidArgumentError, match=r"queues\['q'\] cannot be written"):
        encode_server_info(ServerInfo(queues={"q": 2**31}))
    with pytest.raises(InvalidArgumentError, match=r"concurrency cannot be written, got 'ten'"):
        encode_server_info(ServerInfo(queues={}, concurrency=cast("Any", "ten")))
    with pytest.raises(InvalidArgumentError, match="task_payload cannot be written"):
        encode_worker_info(WorkerInfo(task_payload=cast("Any", "text")))
    with pytest.raises(InvalidArgumentError, match="start_time cannot be written"):
        encode_worker_info(WorkerInfo(start_time_ns=10**30))
    with pytest.raises(InvalidArgumentError, match="host cannot be written"):
        encode_worker_info(WorkerInfo(host="\ud800"))


@given(
    texts,
    st.integers(-(2**31), 2**31 - 1),
    st.dictionaries(texts, st.integers(-(2**31), 2**31 - 1)),
    st.booleans(),
    instants_ns,
)
def test_a_server_s_information_is_what_the_protobuf_library_writes(
    value: str, number: int, queues: dict[str, int], strict: bool, at_ns: int
) -> None:
    info = ServerInfo(
        host=value,
        pid=number,
        server_id=value,
        concurrency=number,
        queues=queues,
        strict_priority=strict,
        status=value,
        start_time_ns=at_ns,
        active_worker_count=number,
    )
    message = generated.ServerInfo(queues=queues)

    theirs = generated.serialize(
        message,
        {
            "host": value,
            "pid": number,
            "server_id": value,
            "concurrency": number,
            "strict_priority": strict,
            "status": value,
            "active_worker_count": number,
        },
        {"start_time": at_ns},
    )

    ours = encode_server_info(info)
    # A map has no order.
    assert ours == theirs if len(queues) < 2 else sorted(ours) == sorted(theirs)
    assert decode_server_info(ours) == decode_server_info(theirs) == info


@given(texts, st.binary(max_size=300), instants_ns)
def test_a_worker_s_information_is_what_the_protobuf_library_writes(value: str, payload: bytes, at_ns: int) -> None:
    info = WorkerInfo(host=value, pid=1, task_type=value, task_payload=payload, start_time_ns=at_ns, deadline_ns=at_ns)

    assert encode_worker_info(info) == generated.serialize(
        generated.WorkerInfo(),
        {"host": value, "pid": 1, "task_type": value, "task_payload": payload},
        {"start_time": at_ns, "deadline": at_ns},
    )


def test_bytes_that_are_no_information_are_refused() -> None:
    with pytest.raises(CorruptDataError, match="1 bytes are no ServerInfo"):
        decode_server_info(b"\x80")
    with pytest.raises(CorruptDataError, match="no SchedulerEntry"):
        decode_scheduler_entry(b"\x0a\x01\xff")
