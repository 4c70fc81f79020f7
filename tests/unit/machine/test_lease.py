"""What becomes of the tasks of a server that is gone?"""

from __future__ import annotations

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine.log import START_MS, Log


def test_a_lease_runs_out_30_s_after_the_last_frame() -> None:
    log = Log()
    session = log.open(credit=1)

    assert log.pass_s(29.999).ended == []
    assert log.pass_s(0.001).ended == [session]


def test_what_has_started_is_orphaned_and_the_rest_returns_uncounted() -> None:
    log = Log()
    session = log.open(credit=3)
    log.enqueue("a", "b", "c")
    log.session(session, mark=(log.position, 1))
    at = log.position - 1

    log.pass_s(30)

    assert log.ids(TaskState.PENDING) == ["b", "c"]
    assert log.ids(TaskState.ACTIVE) == ["a"]
    view = log.machine.task("a")
    assert view is not None
    assert (view.is_orphaned, view.session) == (True, session)
    assert [(o.session, o.position, o.index) for o in log.machine.orphans(0)] == [(session, at, 0)]
    assert log.stored("b").retried == 0


def test_a_dormant_session_stays_for_12_minutes() -> None:
    log = Log()
    session = log.open()

    assert log.pass_s(719.999).ended == []
    assert log.pass_s(0.001).ended == [session]


def test_an_outage_lets_no_lease_run_out() -> None:
    log = Log()
    session = log.open(credit=1)
    log.now_ms += 3_600_000

    assert log.frame(c.tick()).ended == []
    assert log.machine.clock_ms == START_MS + 3_600_000
    assert log.machine.lease_clock_ms == 10_000
    assert log.session(session).outcomes == [0]


def test_an_expired_session_settles_nothing() -> None:
    log = Log()
    session = log.open(credit=1)
    log.enqueue("a")
    at = log.position
    other = log.open("other")
    for _ in range(4):
        log.pass_s(7.5)
        log.session(other)

    applied = log.frame(c.session(session, at, 1, 5), c.settle_done([(at, 0, 1)]), writer="server")

    assert applied.outcomes == [[c.STALE], [c.STALE]]
    assert log.ids(TaskState.PENDING) == ["a"]


def test_a_third_return_makes_an_orphan_of_a_task_that_nobody_started() -> None:
    log = Log()
    log.enqueue("a")
    for number in range(3):
        assert log.ids(TaskState.PENDING) == ["a"]
        log.open(f"victim{number}", credit=1)
        log.pass_s(30)

    assert [orphan.task_id for orphan in log.machine.orphans(0)] == ["a"]


def test_returns_are_forgotten_once_the_task_has_run() -> None:
    log = Log()
    log.enqueue("a")
    for number in range(2):
        log.open(f"victim{number}", credit=1)
        log.pass_s(30)
    session = log.open(credit=1)
    log.session(session, c.settle_retry([(log.position, 0, 0, "e", 1)]), mark=(log.position, 1))
    log.open("third", credit=1)
    log.session(session, c.close_session(session))
    log.pass_s(30)

    assert log.ids(TaskState.PENDING) == ["a"]
    assert log.machine.orphans(0) == []


def test_orphans_are_recovered_once_by_whoever_comes_first() -> None:
    log = Log()
    session = log.open(credit=2)
    log.enqueue("a", "b")
    at = log.position
    log.session(session, mark=(at, 2))
    log.pass_s(30)

    first = log.say(
        c.recover_retry([(session, at, 0, 1_000, "asynq: task lease expired", 1)]),
        c.recover_archive([(session, at, 1, "asynq: task lease expired")]),
    )
    second = log.say(c.recover_retry([(session, at, 0, 0, "x", 2), (session, at, 7, 0, "x", 2), (9, 9, 0, 0, "x", 2)]))

    assert first == 0
    assert second == [c.STALE, c.STALE, c.STALE]
    assert log.stored("a").retried == 1
    assert (log.ids(TaskState.RETRY), log.ids(TaskState.ARCHIVED)) == (["a"], ["b"])
    assert log.machine.orphans(0) == []


def test_what_a_live_session_holds_is_no_orphan() -> None:
    log = Log()
    session = log.open(credit=1)
    log.enqueue("a")

    assert log.say(c.recover_archive([(session, log.position, 0, "mine")])) == [c.STALE]


def test_the_next_rank_takes_orphans_that_are_30_s_older() -> None:
    log = Log()
    session = log.open(credit=1)
    log.enqueue("a")
    log.session(session, mark=(log.position, 1))
    log.pass_s(30)

    assert len(log.machine.orphans(0)) == 1
    assert log.machine.orphans(1) == []
    log.pass_s(30.001)
    assert len(log.machine.orphans(1)) == 1
    assert log.machine.orphans(2) == []
