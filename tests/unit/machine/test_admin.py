"""What can an operator change?"""

from __future__ import annotations

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine.log import START_MS, Log, message

NOW_S = START_MS // 1000


def every_state() -> Log:
    """A queue with one task in each state, its id is the state's name."""
    log = Log()
    session = log.open(credit=4)
    names = ["active", "retry", "archived", "completed"]
    log.enqueue(*names)
    at = log.position
    log.session(
        session,
        c.settle_retry([(at, 1, 60_000, "e", 1)]),
        c.settle_archive([(at, 2, "e")]),
        c.settle_complete([(at, 3, 4, 60)]),
    )
    log.say(c.enqueue_more(["scheduled"], [message("scheduled")], process_at=[NOW_S + 60]))
    log.enqueue("pending")
    return log


def test_run_makes_pending_whatever_waits() -> None:
    log = every_state()

    outcome = log.say(c.run(["scheduled", "retry", "archived", "completed", "active", "pending", "nobody"]))

    assert outcome == [0, 0, 0, 0, c.IS_ACTIVE, c.IS_PENDING, c.NO_SUCH_TASK]
    assert log.ids(TaskState.PENDING) == ["pending", "scheduled", "retry", "archived", "completed"]
    view = log.machine.task("retry")
    assert view is not None
    assert view.pending_since_ms is None
    assert log.stored("retry").retried == 1


def test_archive_takes_all_but_active_tasks() -> None:
    log = every_state()

    outcome = log.say(c.archive(["scheduled", "retry", "archived", "completed", "active", "pending", "nobody"]))

    assert outcome == [0, 0, c.IS_ARCHIVED, 0, c.IS_ACTIVE, 0, c.NO_SUCH_TASK]
    assert log.ids(TaskState.ARCHIVED) == ["archived", "completed", "pending", "retry", "scheduled"]
    assert log.machine.counts().pending == 0


def test_delete_takes_all_but_active_tasks_and_frees_their_locks() -> None:
    log = every_state()
    log.say(c.enqueue_more(["u"], [b""], process_at=[NOW_S + 9], unique_keys=["k"], unique_ttls=[60]))

    outcome = log.say(c.delete(["scheduled", "retry", "archived", "completed", "active", "pending", "u", "nobody"]))

    assert outcome == [0, 0, 0, 0, c.IS_ACTIVE, 0, 0, c.NO_SUCH_TASK]
    assert [log.machine.task(name) for name in ("scheduled", "pending", "u")] == [None] * 3
    assert log.machine.lock_holder("k") is None


def test_a_task_is_deleted_out_of_the_middle_of_a_frame() -> None:
    log = Log()
    log.enqueue(*"abcde")

    for name in "cae":
        assert log.say(c.delete([name])) == 0

    assert log.ids(TaskState.PENDING) == ["b", "d"]
    session = log.open(credit=9)
    view = log.machine.session(session)
    assert view is not None
    assert view.assigned_count == 2


def test_a_page_of_each_state_can_be_listed() -> None:
    log = Log()
    log.enqueue(*"abcdef")

    page = log.machine.list_tasks(TaskState.PENDING, 2, 3)

    assert [view.task_id for view in page] == ["c", "d", "e"]
    assert log.machine.list_tasks(TaskState.AGGREGATING) == []


def test_the_archive_keeps_9999() -> None:
    log = Log()
    ids = [f"{number:05}" for number in range(10_003)]
    for first in range(0, len(ids), 500):
        log.frame(c.enqueue(ids[first : first + 500], [b""] * len(ids[first : first + 500])))

    log.say(c.archive(ids[:9_999]))
    assert log.machine.counts().archived == 9_999
    log.now_ms += 1_000
    log.say(c.archive(ids[9_999:]))

    assert log.ids(TaskState.ARCHIVED) == ids[4:]
    assert log.machine.task(ids[3]) is None


def test_archiving_drops_what_was_archived_90_days_ago() -> None:
    log = Log()
    log.enqueue("old", "new")
    log.say(c.archive(["old"]))

    log.now_ms += 90 * 86_400_000
    log.say(c.tick())
    assert log.ids(TaskState.ARCHIVED) == ["old"]
    log.say(c.archive(["new"]))

    assert log.ids(TaskState.ARCHIVED) == ["new"]


def test_the_counts_of_every_state_are_told() -> None:
    counts = every_state().machine.counts()

    states = (counts.pending, counts.active, counts.scheduled, counts.retry, counts.archived, counts.completed)
    assert states == (1, 1, 1, 1, 1, 1)
    assert counts.oldest_pending_since_ms == START_MS
    assert counts.memory_usage_bytes > 6 * 180
    assert "pending 1, active 1" in every_state().machine.describe()


def test_an_id_that_came_again_is_found_at_its_new_place() -> None:
    """Small frames share a container: it may hold an id twice, once for a task that is gone."""
    log = Log()
    log.enqueue("a", "b")
    log.say(c.delete(["a"]))
    log.now_ms += 1
    log.enqueue("a", "c")

    view = log.machine.task("a")
    assert view is not None
    assert view.pending_since_ms == START_MS + 1
    log.say(c.delete(["a"]))
    assert log.ids(TaskState.PENDING) == ["b", "c"]
