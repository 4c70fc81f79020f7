"""When is a set made of a group, and of which tasks?

Source: docs/semantics.md, "aggregate".
"""

from __future__ import annotations

from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.grouping import GRACE_S, SET_LIFETIME_S, sets_of
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes
from asynq_compat.wire.message import decode_message


@passes(180)
def a_group_is_due_when_nothing_came_for_the_grace_period(queue: QueueHarness) -> None:
    """Each task that comes lets it wait anew."""
    queue.enqueue(task_id="b", group="g")
    queue.pass_s(GRACE_S - 1)
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(GRACE_S - 1)
    assert sets_of(queue) == []

    queue.pass_s(1)

    assert _ids(sets_of(queue)) == [("g", ["b", "a"])]
    assert sets_of(queue) == []


@passes(20)
def a_group_is_due_when_its_first_task_has_waited_the_longest(queue: QueueHarness) -> None:
    """Whatever came behind it."""
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(9)
    queue.enqueue(task_id="b", group="g")
    assert sets_of(queue, delay_s=10) == []

    queue.pass_s(1)

    assert _ids(sets_of(queue, delay_s=10)) == [("g", ["a", "b"])]


@passes(1)
def a_full_group_is_due_at_once(queue: QueueHarness) -> None:
    """What is too much for one set waits on."""
    for task_id in "bc":
        queue.enqueue(task_id=task_id, group="g")
    assert sets_of(queue, size_max=3) == []
    queue.pass_s(1)
    for task_id in "ad":
        queue.enqueue(task_id=task_id, group="g")

    assert _ids(sets_of(queue, size_max=3)) == [("g", ["b", "c", "a"])]
    assert (queue.grouped("g"), queue.groups()) == (["d"], [("g", 1)])


@passes(60)
def no_set_is_larger_than_the_largest_size(queue: QueueHarness) -> None:
    """Whatever made the group due; with its last task it is gone."""
    for task_id in "abc":
        queue.enqueue(task_id=task_id, group="g")
    queue.pass_s(GRACE_S)

    assert _ids(sets_of(queue, size_max=2)) == [("g", ["a", "b"])]
    assert _ids(sets_of(queue, size_max=2)) == [("g", ["c"])]
    assert queue.groups() == []


@passes(60)
def each_group_is_for_itself(queue: QueueHarness) -> None:
    """One that is due does not make another one so."""
    queue.enqueue(task_id="a", group="old")
    queue.pass_s(GRACE_S)
    queue.enqueue(task_id="b", group="new")

    assert _ids(sets_of(queue)) == [("old", ["a"])]
    assert queue.groups() == [("new", 1)]


@passes(60)
def what_is_in_a_set_is_aggregating_and_not_counted(queue: QueueHarness) -> None:
    """It is in no group any more, and its id is taken still."""
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(GRACE_S)
    (made,) = sets_of(queue)

    assert queue.state("a") is TaskState.AGGREGATING
    assert (queue.stats().aggregating, queue.stats().groups, queue.grouped("g")) == (0, 0, [])
    assert made.queue == queue.queue
    assert made.expires_at_s == queue.clock.now_s() + SET_LIFETIME_S


@passes(60)
def messages_are_given_as_they_came(queue: QueueHarness) -> None:
    """Byte for byte."""
    request = queue.request("email", payload=bytes(range(256)), headers={"trace": "a1"}, group="g")
    queue.send(request)
    queue.pass_s(GRACE_S)

    (made,) = sets_of(queue)

    assert list(made.messages) == [request.message]


@passes(60)
def a_paused_queue_aggregates_on(queue: QueueHarness) -> None:
    """Pausing keeps tasks from workers, nothing else (G38)."""
    queue.enqueue(task_id="a", group="g")
    queue.broker.administering.pause_queue(queue.queue)
    queue.pass_s(GRACE_S)

    assert _ids(sets_of(queue)) == [("g", ["a"])]


def a_queue_without_groups_has_no_sets(queue: QueueHarness) -> None:
    """Nor has one that nobody knows."""
    queue.enqueue()

    assert sets_of(queue, size_max=1) == []


def _ids(sets: list[AggregationSet]) -> list[tuple[str, list[str]]]:
    return [(one.group, [decode_message(message).id for message in one.messages]) for one in sets]
