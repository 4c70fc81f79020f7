"""What does a foreign producer's record mean?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.machine.applied import Applied
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.bare import Headers
from asynq_compat.wire.message import encode_message
from tests.unit.machine.bare_cases import CASES, DUPLICATE, FULL, LATER, check, named
from tests.unit.machine.log import START_MS, Log
from tests.unit.wire.strategies import header_lists, hostile_bytes


def record(task_id: str) -> bytes:
    return encode_message(named(task_id))


@pytest.fixture(scope="module")
def told() -> tuple[Log, list[Applied]]:
    """A queue that has met every case, one after the other."""
    log = Log()
    log.say(c.genesis(b"j" * 16, 0, 1))
    return log, [log.append(case.value, case.headers) for case in CASES]


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number].name)
def test_a_record_means_what_the_specification_says(told: tuple[Log, list[Applied]], number: int) -> None:
    log, applied = told

    check(CASES[number], log.machine, applied[number])


def test_replicas_agree_on_all_cases_and_count_what_was_skipped(told: tuple[Log, list[Applied]]) -> None:
    log, _ = told

    skipped = [case for case in CASES if case.skipped]
    counts = log.machine.counts()
    assert log.replayed().digest() == log.machine.digest()
    assert counts.unreadable == len(
        [case for case in skipped if "taken" not in case.skipped and case.skipped != DUPLICATE]
    )
    assert counts.pending + counts.scheduled + counts.aggregating == len(CASES) - len(skipped)
    assert f"{counts.unreadable} unreadable, 1 with a taken id, 1 with a held lock" in log.machine.describe()


def test_it_goes_to_a_session_at_once() -> None:
    log = Log()
    log.open(credit=1)

    assert log.append(record("i")).assignments[0].ids == ["i"]


def test_no_two_records_share_a_derived_id() -> None:
    log = Log()
    log.append(encode_message(FULL))
    log.say(c.genesis(b"j" * 16, 0, 1))
    log.append(encode_message(FULL))
    log.append(encode_message(FULL))

    ids = log.ids(TaskState.PENDING)

    assert len(set(ids)) == 3
    assert all(len(task_id) == 36 and task_id[14] == "4" for task_id in ids)


def test_a_header_s_time_is_the_queue_s() -> None:
    log = Log()
    due_at = START_MS // 1000 + 60

    log.append(record("later"), (("process_at", b"%d" % due_at),))

    assert log.ids(TaskState.SCHEDULED) == ["later"]
    log.pass_s(60)
    assert log.ids(TaskState.PENDING) == ["later"]


def test_a_lock_keeps_a_second_task_out_until_its_time_is_over() -> None:
    log = Log()
    ttl: Headers = (("unique_ttl", b"60"),)
    log.append(record("first"), ttl)
    log.append(record("second"), ttl)
    log.append(record("without a header"))

    log.pass_s(60)
    log.append(record("third"), ttl)

    assert log.ids(TaskState.PENDING) == ["first", "without a header", "third"]


def test_a_lock_of_a_scheduled_task_counts_from_its_time() -> None:
    log = Log()
    due_at = START_MS // 1000 + 100
    headers: Headers = (("unique_ttl", b"10"), ("process_at", b"%d" % due_at))
    log.append(record("first"), headers)

    log.pass_s(109)
    log.append(record("too early"), (("unique_ttl", b"10"),))
    log.pass_s(1)
    log.append(record("second"), (("unique_ttl", b"10"),))

    assert log.ids(TaskState.PENDING) == ["first", "second"]


def test_a_producer_may_name_the_lock() -> None:
    log = Log()
    log.append(encode_message(named("first")).replace(b"p", b"1", 1) + b"\x52\x01k", (("unique_ttl", b"60"),))
    log.append(encode_message(named("second")) + b"\x52\x01k", (("unique_ttl", b"60"),))

    assert (log.ids(TaskState.PENDING), log.machine.lock_holder("k")) == (["first"], "first")


def test_a_lock_and_one_of_a_client_are_the_same() -> None:
    log = Log()
    (lock,) = {case.lock for case in CASES if case.lock}
    log.append(record("first"), (("unique_ttl", b"60"),))

    outcome = log.say(c.enqueue_more(["second"], [record("second")], unique_keys=[lock], unique_ttls=[60]))

    assert outcome == [c.DUPLICATE]


def test_a_frame_needs_no_headers_and_heeds_none() -> None:
    log = Log()
    log.enqueue("a")
    _, _, _, data, _ = log.entries[-1]
    machine = Machine("q")

    machine.apply(0, START_MS, True, data, (("process_at", b"%d" % LATER),))

    assert machine.counts().pending == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(hostile_bytes(), header_lists()), max_size=6))
def test_no_record_makes_a_machine_raise_and_replicas_agree(records: list[tuple[bytes, Headers]]) -> None:
    log = Log()
    for value, headers in records:
        log.append(value, headers)
        log.append(b"\0\0\0\0\1\0" + value, headers)
    log.open(credit=50)
    log.pass_s(70)

    assert log.replayed().digest() == log.machine.digest()
