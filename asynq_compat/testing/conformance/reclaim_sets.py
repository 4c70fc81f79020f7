"""What becomes of a set of which nobody made one task?

Source: docs/semantics.md, "reclaim_sets". On a journal time passes inside the machine; on Redis the recoverer makes it pass.
"""

from __future__ import annotations

from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.grouping import GRACE_S, SET_LIFETIME_S, sets_of
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


@passes(180)
def its_tasks_return_to_their_group(queue: QueueHarness) -> None:
    """In their old order, before what came since."""
    queue.enqueue(task_id="b", group="g:h")
    queue.pass_s(1)
    queue.enqueue(task_id="a", group="g:h")
    queue.pass_s(GRACE_S)
    assert len(sets_of(queue)) == 1
    queue.enqueue(task_id="A", group="g:h")

    queue.pass_s(SET_LIFETIME_S - 1)
    queue.do_duties()
    assert queue.grouped("g:h") == ["A"]
    queue.pass_s(1)
    queue.do_duties()

    assert queue.grouped("g:h") == ["b", "a", "A"]
    assert queue.state("b") is TaskState.AGGREGATING


@passes(180)
def their_group_is_listed_again(queue: QueueHarness) -> None:
    """On a journal; Go does not announce it until another task comes (G8)."""
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(GRACE_S)
    assert len(sets_of(queue)) == 1
    queue.pass_s(SET_LIFETIME_S)
    queue.do_duties()

    assert queue.groups() == ([] if queue.traits.groups_as_go else [("g", 1)])
    queue.enqueue(task_id="b", group="g")
    assert queue.groups() == [("g", 2)]


@passes(180)
def they_are_aggregated_with_the_next(queue: QueueHarness) -> None:
    """Nothing is lost."""
    queue.enqueue(task_id="a", group="g")
    queue.pass_s(GRACE_S)
    assert len(sets_of(queue)) == 1
    queue.pass_s(SET_LIFETIME_S)
    queue.do_duties()
    queue.enqueue(task_id="b", group="g")
    queue.pass_s(GRACE_S)

    (made,) = sets_of(queue)

    assert len(made.messages) == 2
