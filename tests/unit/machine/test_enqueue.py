"""How does a task enter the queue?"""

from __future__ import annotations

import pytest

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine.log import START_MS, Log, message

NOW_S = START_MS // 1000


def test_tasks_of_a_frame_are_pending_in_their_order() -> None:
    log = Log()

    assert log.enqueue("b", "a").outcomes == [0]
    log.enqueue("c")

    assert log.ids(TaskState.PENDING) == ["b", "a", "c"]
    view = log.machine.task("c")
    assert view is not None
    assert (view.message, view.pending_since_ms) == (message("c"), START_MS)


def test_an_id_that_is_taken_in_any_state_conflicts_and_the_others_enter() -> None:
    log = Log()
    log.enqueue("a")

    assert log.enqueue("x", "a", "x", "y").outcomes == [[0, c.ID_TAKEN, c.ID_TAKEN, 0]]
    assert log.ids(TaskState.PENDING) == ["a", "x", "y"]


def test_a_task_for_later_is_scheduled_and_one_for_the_past_pending() -> None:
    log = Log()

    log.say(c.enqueue_more(["late", "past"], [b"", b""], process_at=[NOW_S + 5, NOW_S]))

    assert log.ids(TaskState.SCHEDULED) == ["late"]
    assert log.ids(TaskState.PENDING) == ["past"]


def test_a_held_lock_makes_a_duplicate() -> None:
    log = Log()
    log.say(c.enqueue_more(["a"], [b""], unique_keys=["k"], unique_ttls=[10]))

    outcome = log.say(
        c.enqueue_more(["b", "c", "d"], [b"", b"", b""], unique_keys=["k", "l", "l"], unique_ttls=[1, 1, 1])
    )

    assert outcome == [c.DUPLICATE, 0, c.DUPLICATE]
    assert log.machine.lock_holder("k") == "a"
    assert log.machine.lock_holder("l") == "c"


def test_a_lock_ends_with_its_time() -> None:
    log = Log()
    log.say(c.enqueue_more(["a"], [b""], unique_keys=["k"], unique_ttls=[10]))

    log.pass_s(9.999)
    assert log.machine.lock_holder("k") == "a"
    log.pass_s(0.001)

    assert log.machine.lock_holder("k") is None
    assert log.say(c.enqueue_more(["b"], [b""], unique_keys=["k"], unique_ttls=[10])) == 0


def test_an_id_conflict_leaves_no_lock() -> None:
    """Better than Asynq, whose lock stays for its time with an id that never entered."""
    log = Log()
    log.enqueue("a")

    assert log.say(c.enqueue_more(["a"], [b""], unique_keys=["k"], unique_ttls=[10])) == [c.ID_TAKEN]

    assert log.machine.lock_holder("k") is None


def test_a_lock_is_looked_at_before_the_id() -> None:
    log = Log()
    log.say(c.enqueue_more(["a"], [b""], unique_keys=["k"], unique_ttls=[10]))

    assert log.say(c.enqueue_more(["a"], [b""], unique_keys=["k"], unique_ttls=[10])) == [c.DUPLICATE]


def test_a_group_without_a_name_is_rejected_for_its_task_alone() -> None:
    log = Log()

    groups: list[object] = ["", 7, "g"]
    assert log.say([c.ENQUEUE_MORE, ["a", "b", "c"], [b""] * 3, None, None, None, groups]) == [
        c.REJECTED,
        c.REJECTED,
        0,
    ]
    assert log.ids(TaskState.AGGREGATING) == ["c"]


@pytest.mark.parametrize(
    "command",
    [
        [c.ENQUEUE],
        [c.ENQUEUE, ["a"]],
        [c.ENQUEUE, ["a"], []],
        [c.ENQUEUE, ["a"], ["text"]],
        [c.ENQUEUE, [b"a"], [b""]],
        [c.ENQUEUE, [""], [b""]],
        [c.ENQUEUE, "a", b""],
        [c.ENQUEUE_MORE, ["a"], [b""], [], None, None, None],
        [c.ENQUEUE_MORE, ["a"], [b""], None, None, None],
        [c.ENQUEUE_MORE, ["a"], [b""], 5, None, None, None],
    ],
)
def test_a_malformed_command_enqueues_nothing(command: c.Command) -> None:
    log = Log()

    assert log.say(command) == [c.REJECTED]
    assert log.machine.counts().pending == 0


@pytest.mark.parametrize(
    ("key", "ttl", "at"),
    [
        ("k", None, None),
        (None, 1, None),
        ("", 1, None),
        ("k", 0, None),
        ("k", True, None),
        ("k", 2**41, None),
        (7, 1, None),
        (None, None, 1.5),
        (None, None, "1"),
        (None, None, 2**64 - 1),
    ],
)
def test_a_malformed_item_is_rejected_alone(key: object, ttl: object, at: object) -> None:
    log = Log()

    outcome = log.say([c.ENQUEUE_MORE, ["a", "b"], [b"", b""], [at, None], [key, None], [ttl, None], None])

    assert outcome == [c.REJECTED, 0]
    assert log.ids(TaskState.PENDING) == ["b"]
