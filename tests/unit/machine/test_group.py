"""When do the tasks of a group become one, and what becomes of them if nobody makes it?"""

from __future__ import annotations

import pytest

from asynq_compat.machine.group import SET_LIFETIME_S
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine.log import Log, message

GRACE_S = 60


def add(log: Log, *ids: str, group: str = "g", at: int | None = None) -> None:
    due = None if at is None else [at] * len(ids)
    log.say(c.enqueue_more(ids, [message(i) for i in ids], process_at=due, groups=[group] * len(ids)))


def check(log: Log, size_max: int = 0, delay_s: int = 0, grace_s: int = GRACE_S, group: str = "g") -> list[str] | None:
    """Ids of the set that is made; None when it is not the time."""
    outcome = log.say(c.aggregate([group], size_max, delay_s, grace_s))
    assert isinstance(outcome, list)
    (made,) = outcome
    if made == c.IS_NOT_DUE:
        return None
    assert isinstance(made, list)
    return [task.task_id for task in log.machine.state.groups.sets[made[0], made[1]].tasks]


def in_group(log: Log, group: str = "g") -> list[str]:
    return [view.task_id for view in log.machine.list_group(group)]


def test_a_grouped_task_waits_in_its_group() -> None:
    log = Log()
    log.open(credit=5)

    add(log, "b", "a")

    assert (in_group(log), log.ids(TaskState.PENDING), log.machine.groups()) == (["a", "b"], [], [("g", 2)])
    assert (log.machine.counts().aggregating, log.machine.counts().groups) == (2, 1)


def test_a_group_is_due_when_nothing_came_for_the_grace_period() -> None:
    log = Log()
    add(log, "a")
    log.pass_s(GRACE_S - 1)
    add(log, "b")
    log.pass_s(GRACE_S - 1)
    assert check(log) is None

    log.pass_s(1)

    assert check(log) == ["a", "b"]
    assert log.machine.groups() == []
    assert check(log) is None


def test_a_group_is_due_when_its_first_task_waited_the_longest() -> None:
    log = Log()
    add(log, "a")
    log.pass_s(9)
    add(log, "b")
    assert check(log, delay_s=10) is None

    log.pass_s(1)

    assert check(log, delay_s=10) == ["a", "b"]


def test_a_full_group_is_due_at_once_and_gives_its_first_tasks() -> None:
    log = Log()
    add(log, "a", "b")
    assert check(log, size_max=3) is None

    log.pass_s(1)
    add(log, "A", "c")

    assert check(log, size_max=3) == ["a", "b", "A"]
    assert in_group(log) == ["c"]


def test_a_set_is_not_larger_than_the_largest_size_whatever_made_it_due() -> None:
    log = Log()
    add(log, *"abcde")
    log.pass_s(GRACE_S)

    assert [check(log, size_max=2) for _ in range(4)] == [["a", "b"], ["c", "d"], ["e"], None]


def test_a_deleted_set_is_gone_its_locks_are_free_and_the_one_for_all_enters() -> None:
    log = Log()
    log.say(c.enqueue_more(["a"], [message("a")], unique_keys=["k"], unique_ttls=[900], groups=["g"]))
    log.pass_s(GRACE_S)
    check(log)
    made = log.position

    assert log.say(c.delete_set(made, 0, c.enqueue_more(["all"], [message("all")]))) == 0

    assert (log.ids(TaskState.PENDING), log.machine.task("a"), log.machine.lock_holder("k")) == (["all"], None, None)
    again = c.delete_set(made, 0, c.enqueue_more(["more"], [message("more")]))
    assert log.say(again) == [c.NO_SUCH_SET]
    assert log.machine.task("more") is None


def test_a_set_stays_where_the_one_for_all_is_refused() -> None:
    log = Log()
    log.enqueue("taken")
    add(log, "a")
    log.pass_s(GRACE_S)
    check(log)

    refused = log.say(c.delete_set(log.position, 0, c.enqueue_more(["taken"], [message("taken")])))

    assert refused == [c.ID_TAKEN]
    assert log.machine.task("a") is not None


@pytest.mark.parametrize("group", ["g", "h"])
def test_a_set_whose_time_is_over_returns_to_its_group_which_is_listed(group: str) -> None:
    log = Log()
    add(log, "b", group=group)
    log.pass_s(GRACE_S)
    check(log, group=group)
    made = log.position
    add(log, "a", group=group)
    log.pass_s(SET_LIFETIME_S - 1)
    assert in_group(log, group) == ["a"]
    assert log.machine.next_due_ms() == log.now_ms + 1000

    log.pass_s(1)

    assert (in_group(log, group), log.machine.groups()) == (["b", "a"], [(group, 2)])
    assert log.say(c.delete_set(made, 0)) == [c.NO_SUCH_SET]
    assert check(log, group=group) == ["b", "a"]


def test_a_delayed_task_keeps_its_group() -> None:
    log = Log()
    add(log, "a", at=log.now_ms // 1000 + 5)
    assert log.ids(TaskState.SCHEDULED) == ["a"]

    log.pass_s(5)

    assert (in_group(log), log.ids(TaskState.PENDING)) == (["a"], [])


def test_a_task_that_was_run_by_hand_and_failed_returns_to_its_group() -> None:
    log = Log()
    add(log, "a")
    log.frame(c.run(["a"]))
    name = log.open(credit=1)
    log.session(name, c.settle_retry([(name, 0, 2_000, "no", 1)]), mark=(name, 1))

    log.pass_s(2)

    assert (in_group(log), log.stored("a").retried) == (["a"], 1)


def test_an_id_that_comes_again_without_a_group_has_none() -> None:
    log = Log()
    add(log, "a")
    log.frame(c.delete(["a"]))
    log.enqueue("a")
    name = log.open(credit=1)
    log.session(name, c.settle_retry([(name, 0, 2_000, "no", 1)]), mark=(name, 1))

    log.pass_s(2)

    assert (in_group(log), log.ids(TaskState.PENDING)) == ([], ["a"])


def test_what_stands_in_a_set_cannot_be_touched() -> None:
    log = Log()
    add(log, "a")
    log.pass_s(GRACE_S)
    check(log)

    assert log.say(c.run(["a"])) == log.say(c.archive(["a"])) == log.say(c.delete(["a"])) == [c.IS_IN_SET]


def test_one_task_of_a_group_can_be_run_archived_and_deleted() -> None:
    log = Log()
    log.say(c.enqueue_more(["c"], [message("c")], unique_keys=["k"], unique_ttls=[900], groups=["g"]))
    add(log, "a", "b", "d")

    log.frame(c.run(["a"]), c.archive(["b"]), c.delete(["c"]))

    assert (log.ids(TaskState.PENDING), log.ids(TaskState.ARCHIVED), in_group(log)) == (["a"], ["b"], ["d"])
    assert (log.machine.task("c"), log.machine.lock_holder("k")) == (None, None)
    log.frame(c.delete(["d"]))
    assert log.machine.groups() == []


@pytest.mark.parametrize(
    "command",
    [
        [c.AGGREGATE],
        [c.AGGREGATE, "g", 0, 0, 0],
        [c.AGGREGATE, ["g"], -1, 0, 0],
        [c.AGGREGATE, ["g"], 0, -1, 0],
        [c.AGGREGATE, ["g"], 0, 0, -1],
        [c.AGGREGATE, [""], 0, 0, 0],
        [c.DELETE_SET, 0, 0],
        [c.DELETE_SET, "0", 0, None],
        [c.DELETE_SET, 0, 0, [c.ENQUEUE, ["a"], [b""]]],
        [c.DELETE_SET, 0, 0, c.enqueue_more(["a", "b"], [b"", b""])],
        [c.DELETE_SET, 0, 0, 1],
    ],
)
def test_a_malformed_command_changes_nothing(command: c.Command) -> None:
    log = Log()
    add(log, "a")

    assert log.say(command) == [c.REJECTED]
    assert in_group(log) == ["a"]
