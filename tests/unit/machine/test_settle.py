"""How does the work on a task end?"""

from __future__ import annotations

import pytest

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine.log import START_MS, Log, message

NOW_S = START_MS // 1000
DAY = START_MS // 86_400_000


class Held:
    """A session that holds tasks."""

    def __init__(self, *ids: str) -> None:
        self.log = Log()
        self.session = self.log.open(credit=100)
        self.log.enqueue(*ids)
        self.at = self.log.position

    def settle(self, command: c.Command) -> object:
        return self.log.session(self.session, command).outcomes[1]


def test_done_deletes_and_counts() -> None:
    held = Held("a", "b", "c")

    assert held.settle(c.settle_done([(held.at, 0, 2)])) == 0

    counts = held.log.machine.counts()
    assert (counts.active, counts.processed, counts.failed, counts.processed_total) == (1, 2, 0, 2)
    assert held.log.machine.task("a") is None
    assert held.log.machine.history(DAY) == (2, 0)
    assert held.log.enqueue("a").outcomes == [0]


def test_a_range_settles_what_is_held_and_names_the_rest() -> None:
    held = Held("a", "b", "c", "d")
    held.settle(c.settle_done([(held.at, 1, 2)]))

    outcome = held.settle(c.settle_done([(held.at, 0, 4), (held.at, 0, 1), (99, 0, 1), (held.at, 3, 5)]))

    assert outcome == [[0, c.STALE, 0, 0], c.STALE, c.STALE, c.STALE]
    assert held.log.machine.counts().active == 0


def test_a_range_beyond_the_assignment_is_rejected() -> None:
    held = Held("a", "b")

    assert held.settle(c.settle_done([(held.at, 1, 3), (held.at, 0, 1)])) == [c.REJECTED, 0]


def test_settling_frees_the_lock() -> None:
    log = Log()
    session = log.open(credit=9)
    log.say(c.enqueue_more(["a", "b"], [message("a"), message("b")], unique_keys=["k", "l"], unique_ttls=[60, 60]))
    at = log.position

    log.session(session, c.settle_done([(at, 0, 1)]), c.settle_complete([(at, 1, 2, 10)]))

    assert log.machine.lock_holder("k") is None
    assert log.machine.lock_holder("l") is None


def test_a_lock_that_another_task_holds_by_now_stays() -> None:
    log = Log()
    session = log.open(credit=1)
    log.say(c.enqueue_more(["a"], [message("a")], unique_keys=["k"], unique_ttls=[1]))
    at = log.position
    log.pass_s(1)
    log.say(c.enqueue_more(["b"], [message("b")], unique_keys=["k"], unique_ttls=[60]))

    log.session(session, c.settle_done([(at, 0, 1)]))

    assert log.machine.lock_holder("k") == "b"


def test_complete_keeps_the_task_for_its_retention() -> None:
    held = Held("a")

    held.settle(c.settle_complete([(held.at, 0, 1, 5)]))

    view = held.log.machine.task("a")
    assert view is not None
    assert (view.state, view.due_at) == (TaskState.COMPLETED, NOW_S + 5)
    assert held.log.stored("a").completed_at == NOW_S
    held.log.pass_s(4.999)
    assert held.log.ids(TaskState.COMPLETED) == ["a"]
    held.log.pass_s(0.001)
    assert held.log.machine.task("a") is None


def test_a_failure_is_retried_at_the_whole_second_and_counted() -> None:
    held = Held("a")

    held.settle(c.settle_retry([(held.at, 0, 2_500, "broken", 1)]))

    view = held.log.machine.task("a")
    assert view is not None
    assert (view.state, view.due_at) == (TaskState.RETRY, NOW_S + 2)
    stored = held.log.stored("a")
    assert (stored.retried, stored.error_msg, stored.last_failed_at) == (1, "broken", NOW_S)
    assert held.log.machine.history(DAY) == (1, 1)


def test_what_is_no_failure_is_retried_uncounted() -> None:
    held = Held("a")

    held.settle(c.settle_retry([(held.at, 0, 0, "later", None)]))

    stored = held.log.stored("a")
    assert (stored.retried, stored.error_msg) == (0, "later")
    assert held.log.machine.history(DAY) == (0, 0)


def test_archive_keeps_the_task_with_its_error() -> None:
    held = Held("a")

    held.settle(c.settle_archive([(held.at, 0, "for good")]))

    view = held.log.machine.task("a")
    assert view is not None
    assert (view.state, view.due_at) == (TaskState.ARCHIVED, NOW_S)
    assert held.log.stored("a").error_msg == "for good"
    assert held.log.machine.history(DAY) == (1, 1)


def test_requeue_makes_the_last_of_a_range_next_in_line() -> None:
    held = Held("a", "b")
    held.log.session(held.session, credit=-100)
    held.log.enqueue("c")

    held.settle(c.settle_requeue([(held.at, 0, 2)]))

    assert held.log.ids(TaskState.PENDING) == ["b", "a", "c"]
    view = held.log.machine.task("a")
    assert view is not None
    assert view.pending_since_ms is None
    assert held.log.machine.history(DAY) == (0, 0)


def test_handed_back_tasks_return_to_their_places_in_whatever_order() -> None:
    held = Held(*"abcdef")
    held.log.session(held.session, credit=-100)
    held.log.enqueue("g")

    for lo, hi in ((4, 5), (0, 1), (1, 3), (5, 6), (3, 4)):
        held.settle(c.hand_back([(held.at, lo, hi)]))

    assert held.log.ids(TaskState.PENDING) == list("abcdefg")


def test_handed_back_tasks_may_go_to_another_session_at_once() -> None:
    held = Held("a", "b")
    held.log.session(held.session, credit=-100)
    other = held.log.open("other", credit=5)

    applied = held.log.session(held.session, c.hand_back([(held.at, 0, 2)]))

    assert [(g.session, g.ids) for g in applied.assignments] == [(other, ["a", "b"])]
    assert held.settle(c.settle_done([(held.at, 0, 2)])) == [c.STALE]


def test_a_result_stays_through_retries_and_with_the_completed_task() -> None:
    held = Held("a")
    assert held.settle(c.write_result(held.at, 0, b"r1")) == 0
    held.settle(c.write_result(held.at, 0, b"r2"))
    held.settle(c.settle_retry([(held.at, 0, 0, "e", 1)]))
    again = held.log.pass_s(0)

    assert again.assignments[0].ids == ["a"]
    held.settle(c.settle_complete([(again.position, 0, 1, 60)]))

    view = held.log.machine.task("a")
    assert view is not None
    assert view.result == b"r2"
    assert held.settle(c.write_result(held.at, 0, b"late")) == [c.STALE]


@pytest.mark.parametrize(
    "command",
    [
        [c.SETTLE_DONE],
        [c.SETTLE_DONE, 5],
        [c.SETTLE_COMPLETE, {}],
        [c.SETTLE_RETRY, None],
        [c.WRITE_RESULT, 0, 0, "text"],
        [c.RECOVER_RETRY],
        [c.RECOVER_ARCHIVE, 1],
    ],
)
def test_a_malformed_command_is_rejected(command: c.Command) -> None:
    held = Held("a")

    assert held.settle(command) == [c.REJECTED]


@pytest.mark.parametrize(
    ("code", "item"),
    [
        (c.SETTLE_DONE, [0, 1]),
        (c.SETTLE_DONE, [0, 1, 1]),
        (c.SETTLE_DONE, [0, -1, 1]),
        (c.SETTLE_DONE, [0.0, 0, 1]),
        (c.SETTLE_DONE, "abc"),
        (c.SETTLE_COMPLETE, [0, 0, 1]),
        (c.SETTLE_COMPLETE, [0, 0, 1, 0]),
        (c.SETTLE_COMPLETE, [0, 0, 1, 2**41]),
        (c.SETTLE_RETRY, [0, 0, 1, "e"]),
        (c.SETTLE_RETRY, [0, 0, 2**54, "e", 1]),
        (c.SETTLE_RETRY, [0, 0, 1, b"e", 1]),
        (c.SETTLE_RETRY, [0, 0, 1, "e", 2**31]),
        (c.SETTLE_ARCHIVE, [0, 0]),
        (c.SETTLE_ARCHIVE, [0, None, "e"]),
        (c.RECOVER_RETRY, [0, 0, 0, 1, "e", True]),
        (c.RECOVER_ARCHIVE, [0, 0, 0, 1]),
    ],
)
def test_a_malformed_item_is_rejected_and_the_next_one_is_not(code: int, item: object) -> None:
    held = Held("a")

    outcome = held.settle([code, [item]])

    assert outcome == [c.REJECTED]
    assert held.log.ids(TaskState.ACTIVE) == ["a"]


def test_without_a_session_nothing_is_settled() -> None:
    held = Held("a")

    assert held.log.say(c.settle_done([(held.at, 0, 1)])) == [c.REJECTED]
    assert held.log.ids(TaskState.ACTIVE) == ["a"]
