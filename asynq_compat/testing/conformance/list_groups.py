"""What does an inspector see of groups?

Source: docs/semantics.md, "inspector reads".
"""

from __future__ import annotations

from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


@passes(2)
def groups_and_their_tasks_are_listed(queue: QueueHarness) -> None:
    """Groups by name; their tasks by the second in which they came, those of one second by id."""
    queue.enqueue(task_id="c", group="g")
    queue.enqueue(task_id="b", group="g")
    queue.enqueue(task_id="d", group="f:h")
    queue.pass_s(2)
    queue.enqueue(task_id="a", group="g")

    assert queue.groups() == [("f:h", 1), ("g", 3)]
    assert (queue.grouped("g"), queue.grouped("f:h")) == (["b", "c", "a"], ["d"])


def a_page_is_a_part_of_that(queue: QueueHarness) -> None:
    """From a place on, so many."""
    for task_id in "abcde":
        queue.enqueue(task_id=task_id, group="g")

    assert queue.grouped("g", start=1, count=2) == ["b", "c"]
    assert queue.grouped("g", start=4, count=2) == ["e"]
    assert queue.grouped("g", start=9, count=2) == queue.grouped("g", start=0, count=0) == []


def what_is_not_there_is_empty(queue: QueueHarness) -> None:
    """A group that nobody knows has no tasks, a queue that nobody knows no groups."""
    nowhere = f"{queue.queue}-none"
    queue.enqueue()

    assert (queue.groups(), queue.grouped("nobody's")) == ([], [])
    assert list(queue.broker.inspecting.groups(nowhere)) == []
    assert queue.broker.inspecting.list_group(nowhere, "g", start=0, count=None) is None
