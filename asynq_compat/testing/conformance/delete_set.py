"""What becomes of a set when one task stands for all of its tasks?

Source: docs/semantics.md, "delete_set".
"""

from __future__ import annotations

from asynq_compat.ports.inspecting import Missing
from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.conformance.grouping import GRACE_S, SET_LIFETIME_S, finish, sets_of
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


@passes(60)
def its_tasks_are_gone_and_the_one_is_there(queue: QueueHarness) -> None:
    """Nothing is counted: nobody has worked on them."""
    made = _made(queue, "a", "b")

    assert finish(queue, made, queue.request("all")) is EnqueueStatus.ENQUEUED

    assert queue.state("a") is queue.state("b") is Missing.TASK
    stats = queue.stats()
    assert (stats.pending + stats.active, stats.size, stats.processed_total, stats.failed_total) == (1, 1, 0, 0)


@passes(60)
def the_one_may_be_of_any_kind(queue: QueueHarness) -> None:
    """Scheduled, in a group again, unique, with an id that was chosen."""
    for task_id, request in {
        "a": queue.request(task_id="later", in_s=6000),
        "b": queue.request(task_id="unique", unique_ttl_s=600),
        "c": queue.request(task_id="grouped", group="h"),
    }.items():
        made = _made(queue, task_id)
        assert finish(queue, made, request) is EnqueueStatus.ENQUEUED

    assert (queue.state("later"), queue.state("grouped")) == (TaskState.SCHEDULED, TaskState.AGGREGATING)
    assert queue.state("unique") in {TaskState.PENDING, TaskState.ACTIVE}
    assert queue.grouped("h") == ["grouped"]
    assert queue.try_enqueue(unique_ttl_s=600) is EnqueueStatus.DUPLICATE
    assert [queue.state(task_id) for task_id in "abc"] == [Missing.TASK] * 3


@passes(180)
def it_stays_where_the_one_is_refused(queue: QueueHarness) -> None:
    """Until its time is over: then its tasks wait for the next one."""
    queue.enqueue(task_id="taken")
    made = _made(queue, "a")

    assert finish(queue, made, queue.request(task_id="taken")) is EnqueueStatus.ID_CONFLICT

    assert queue.state("a") is TaskState.AGGREGATING
    queue.pass_s(SET_LIFETIME_S)
    queue.do_duties()
    assert queue.grouped("g") == ["a"]


@passes(60)
def many_are_finished_at_once_each_for_itself(queue: QueueHarness) -> None:
    """What is refused leaves its own set, and no other."""
    queue.enqueue(task_id="taken")
    for task_id in "abc":
        queue.enqueue(task_id=task_id, group=f"g-{task_id}")
    queue.pass_s(GRACE_S)
    made = sorted(sets_of(queue), key=lambda one: one.group)
    requests = [queue.request("one"), queue.request(task_id="taken"), queue.request("one")]

    outcomes = queue.broker.maintaining.finish_sets(list(zip(made, requests, strict=True)))

    assert list(outcomes) == [EnqueueStatus.ENQUEUED, EnqueueStatus.ID_CONFLICT, EnqueueStatus.ENQUEUED]
    assert [queue.state(task_id) for task_id in "abc"] == [Missing.TASK, TaskState.AGGREGATING, Missing.TASK]
    assert queue.broker.maintaining.finish_sets([]) == []


@passes(60)
def a_task_s_id_is_free_again(queue: QueueHarness) -> None:
    """Ids are not remembered."""
    made = _made(queue, "a")
    finish(queue, made, queue.request())

    assert queue.try_enqueue(task_id="a", group="g") is EnqueueStatus.ENQUEUED


@passes(60)
def its_tasks_locks(queue: QueueHarness) -> None:
    """They have ended well, so on a journal their locks are free; Go's tasks do not know theirs (G5)."""
    queue.enqueue("pay", payload=b"7", group="g", unique_ttl_s=600)
    queue.pass_s(GRACE_S)
    (made,) = sets_of(queue)
    finish(queue, made, queue.request("all"))

    again = queue.try_enqueue("pay", payload=b"7", unique_ttl_s=600)

    assert again is (EnqueueStatus.DUPLICATE if queue.traits.groups_as_go else EnqueueStatus.ENQUEUED)


@passes(180)
def it_is_too_late_when_its_time_is_over(queue: QueueHarness) -> None:
    """On a journal nothing is aggregated twice; in Go who comes late is not asked (G37)."""
    made = _made(queue, "a")
    queue.pass_s(SET_LIFETIME_S)
    queue.do_duties()

    outcome = finish(queue, made, queue.request(task_id="all"))

    if queue.traits.groups_as_go:
        assert outcome is EnqueueStatus.ENQUEUED
    else:
        assert (outcome, queue.state("all")) == (None, Missing.TASK)
    assert queue.state("a") is TaskState.AGGREGATING


def _made(queue: QueueHarness, *ids: str) -> AggregationSet:
    for task_id in ids:
        queue.enqueue(task_id=task_id, group="g")
    queue.pass_s(GRACE_S)
    (made,) = sets_of(queue)
    return made
