"""Do server, worker and scheduler information become Go's bytes, and back?

The hex strings are what asynq v0.26.0 writes.
"""

from __future__ import annotations

import pytest

from asynq_compat.errors import CorruptDataError, InvalidArgumentError
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
    with pytest.raises(InvalidArgumentError, match="host cannot be written"):
        encode_worker_info(WorkerInfo(host="\ud800"))


def test_bytes_that_are_no_information_are_refused() -> None:
    with pytest.raises(CorruptDataError, match="1 bytes are no ServerInfo"):
        decode_server_info(b"\x80")
    with pytest.raises(CorruptDataError, match="no SchedulerEntry"):
        decode_scheduler_entry(b"\x0a\x01\xff")
