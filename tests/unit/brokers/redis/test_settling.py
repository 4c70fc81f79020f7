"""Which calls do settlements become?"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from asynq_compat.brokers.redis.lease_term import WallClockTerm
from asynq_compat.brokers.redis.link import ServerLink
from asynq_compat.brokers.redis.settings import RedisSettings
from asynq_compat.brokers.redis.settling import SettleCall, Settling
from asynq_compat.ports.consuming import Lease, SettleKind, Settlement, SettleOutcome
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage, decode_message, encode_message

CLOCK = VirtualClock()
NOW_S = CLOCK.now_s()


def settlement(
    kind: SettleKind, task_id: str = "a", *, queue: str = "q", delay_s: float = 0.0, **fields: object
) -> Settlement:
    message = TaskMessage(type="t", id=task_id, queue=queue, retry=5, retried=2)
    for name, value in fields.items():
        setattr(message, name, value)
    lease = Lease(queue, task_id, encode_message(message), WallClockTerm(CLOCK, 0))
    return Settlement(lease, kind, delay_s=delay_s, error_msg="boom")


def plan(settlements: Sequence[Settlement]) -> tuple[list[SettleCall], list[SettleOutcome]]:
    outcomes = [SettleOutcome.NOT_HELD] * len(settlements)
    link = ServerLink(RedisSettings())  # Opens nothing.
    return Settling(link, CLOCK).plan(settlements, range(len(settlements)), outcomes), outcomes


def arguments(call: SettleCall) -> list[bytes]:
    """What follows the keys of a call."""
    parts = call.command.packed.split(b"\r\n")[2::2]
    return parts[3 + int(parts[2]) :]


def names(calls: Sequence[SettleCall]) -> list[str]:
    return [call.command.script.name for call in calls if call.command.script is not None]


def test_one_queue_and_kind_share_a_call_in_the_order_given() -> None:
    calls, _ = plan([settlement(SettleKind.DONE, task_id) for task_id in "abc"])

    assert names(calls) == ["settle_done"]
    assert calls[0].indexes == [0, 1, 2]
    assert arguments(calls[0])[3::2] == [b"a", b"b", b"c"]


def test_kinds_and_queues_stand_apart() -> None:
    calls, _ = plan(
        [
            settlement(SettleKind.DONE, "a"),
            settlement(SettleKind.REQUEUE, "b"),
            settlement(SettleKind.DONE, "c", queue="other"),
            settlement(SettleKind.DONE, "d"),
        ]
    )

    assert sorted((*names([call]), call.indexes) for call in calls) == [
        ("settle_done", [0, 3]),
        ("settle_done", [2]),
        ("settle_requeue", [1]),
    ]


def test_the_same_task_twice_is_settled_one_after_the_other() -> None:
    """Scripts take ids that are all different; the first settlement of a task comes first."""
    calls, _ = plan(
        [settlement(SettleKind.REQUEUE, "a"), settlement(SettleKind.DONE, "b"), settlement(SettleKind.DONE, "a")]
    )

    assert [call.indexes for call in calls][-1] == [2]
    assert sorted(index for call in calls for index in call.indexes) == [0, 1, 2]


def test_a_long_batch_is_cut() -> None:
    calls, _ = plan([settlement(SettleKind.DONE, f"{number}") for number in range(650)])

    assert [len(call.indexes) for call in calls] == [300, 300, 50]


def test_only_a_task_with_a_lock_names_one() -> None:
    calls, _ = plan(
        [settlement(SettleKind.DONE, "R"), settlement(SettleKind.DONE, "b", unique_key="asynq:{q}:unique:t:1")]
    )

    assert arguments(calls[0])[3:] == [b"R", b"", b"b", b"asynq:{q}:unique:t:1"]


def test_what_is_kept_carries_its_instant_and_its_end() -> None:
    calls, _ = plan([settlement(SettleKind.COMPLETE, retention=60)])

    task_id, lock, message, delete_at = arguments(calls[0])[3:]
    assert (task_id, lock, delete_at) == (b"a", b"", b"%d" % (NOW_S + 60))
    assert decode_message(message).completed_at == NOW_S


@pytest.mark.parametrize(("is_failure", "retried"), [(True, 3), (False, 2)])
def test_a_retry_counts_only_as_a_failure(*, is_failure: bool, retried: int) -> None:
    failed = settlement(SettleKind.RETRY, delay_s=1.9)
    failed = Settlement(failed.lease, failed.kind, failed.delay_s, failed.error_msg, is_failure)

    calls, _ = plan([failed])

    _, encoded, retry_at, flag = arguments(calls[0])[3:]
    message = decode_message(encoded)
    assert (message.retried, message.error_msg, message.last_failed_at) == (retried, "boom", NOW_S)
    assert (retry_at, flag) == (b"%d" % (NOW_S + 1), b"1" if is_failure else b"0")


def test_the_archive_does_not_count_a_retry() -> None:
    calls, _ = plan([settlement(SettleKind.ARCHIVE)])

    now_s, archived_before, size_max, _, encoded = arguments(calls[0])[3:]
    assert (now_s, archived_before, size_max) == (b"%d" % NOW_S, b"%d" % (NOW_S - 90 * 86_400), b"10000")
    assert decode_message(encoded).retried == 2


def test_a_message_that_cannot_be_read_is_in_no_call() -> None:
    unreadable = Settlement(Lease("q", "a", b"\xff\xff", WallClockTerm(CLOCK, 0)), SettleKind.RETRY)

    calls, outcomes = plan([unreadable, settlement(SettleKind.RETRY, "b")])

    assert [call.indexes for call in calls] == [[1]]
    assert outcomes == [SettleOutcome.INCONSISTENT, SettleOutcome.NOT_HELD]
