"""Who gets the next task, and who looks after the journal?"""

from __future__ import annotations

from asynq_compat.machine.applied import Applied
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine.log import Log


def given_to(applied: Applied) -> dict[int, list[str]]:
    return {assigned.session: assigned.ids for assigned in applied.assignments}


def test_a_task_goes_to_a_session_with_credit_in_the_frame_that_brings_it() -> None:
    log = Log()
    session = log.open(credit=2)

    applied = log.enqueue("a", "b", "c")

    assert given_to(applied) == {session: ["a", "b"]}
    assert log.ids(TaskState.ACTIVE) == ["a", "b"]
    view = log.machine.session(session)
    assert view is not None
    assert (view.credit, view.assigned_count) == (0, 2)


def test_credit_that_comes_later_takes_what_waits() -> None:
    log = Log()
    log.enqueue("a")
    log.enqueue("b")
    session = log.open()

    assert given_to(log.session(session, credit=5)) == {session: ["a", "b"]}


def test_withdrawn_credit_gets_nothing() -> None:
    log = Log()
    session = log.open(credit=5)
    log.session(session, credit=-9)

    assert given_to(log.enqueue("a")) == {}
    assert given_to(log.session(session, credit=1)) == {session: ["a"]}


def test_sessions_share_equally_and_credit_bounds_each() -> None:
    log = Log()
    few, many = log.open("few", credit=1), log.open("many", credit=10)

    assert given_to(log.enqueue("a", "b", "c", "d")) == {few: ["a"], many: ["b", "c", "d"]}


def test_single_tasks_go_round() -> None:
    log = Log()
    first, second = log.open("first", credit=3), log.open("second", credit=3)
    log.pass_s(0)

    got = []
    for number in range(4):
        got += list(given_to(log.enqueue(f"t{number}")))
        log.session(first)
        log.session(second)

    assert got == [first, second, first, second]


def test_a_session_that_owes_a_frame_gets_nothing() -> None:
    log = Log()
    silent, lively = log.open("silent", credit=9), log.open("lively", credit=9)
    log.enqueue("a", "b")
    log.session(lively)
    log.pass_s(3.001)
    log.session(lively)

    assert given_to(log.enqueue("c", "d")) == {lively: ["c", "d"]}
    log.session(silent)
    assert silent in given_to(log.enqueue("e", "f"))


def test_a_session_not_heard_of_for_20_s_gets_nothing() -> None:
    log = Log()
    session = log.open(credit=1)
    log.pass_s(20.001)

    assert given_to(log.enqueue("a")) == {}
    assert given_to(log.session(session)) == {session: ["a"]}


def test_a_paused_queue_gives_nothing_and_unpausing_gives_it() -> None:
    log = Log()
    session = log.open(credit=1)
    assert log.say(c.pause()) == 0
    assert log.say(c.pause()) == [c.IS_PAUSED]

    assert given_to(log.enqueue("a")) == {}

    applied = log.frame(c.unpause())
    assert given_to(applied) == {session: ["a"]}
    assert log.say(c.unpause()) == [c.IS_NOT_PAUSED]


def test_the_oldest_session_that_works_is_the_keeper() -> None:
    log = Log()
    dormant, first, second = log.open("dormant"), log.open("first", credit=1), log.open("second", credit=1)

    assert log.machine.keeper() == first
    assert [log.machine.rank(name) for name in (dormant, first, second, 99)] == [None, 0, 1, None]
    assert [view.rank for view in log.machine.sessions()] == [None, 0, 1]


def test_a_frame_opens_one_session() -> None:
    log = Log()

    assert log.say(c.open_session("s", 1, 0), c.open_session("s", 1, 0)) == [c.REJECTED]
    assert len(log.machine.sessions()) == 1


def test_a_session_belongs_to_its_writer() -> None:
    log = Log()
    session = log.open(credit=1)
    log.enqueue("a")

    foreign = log.frame(c.session(session, 0, 0, 5), c.settle_done([(log.position, 0, 1)]), c.close_session(session))

    assert foreign.outcomes == [[c.STALE], [c.STALE], [c.STALE]]
    assert log.ids(TaskState.ACTIVE) == ["a"]


def test_closing_returns_what_has_not_started_and_orphans_the_rest() -> None:
    log = Log()
    session = log.open(credit=3)
    log.enqueue("a", "b", "c")
    at = log.position

    applied = log.session(session, c.close_session(session), mark=(at, 1))

    assert applied.ended == [session]
    assert log.ids(TaskState.PENDING) == ["b", "c"]
    assert [(o.position, o.index, o.task_id) for o in log.machine.orphans(0)] == [(at, 0, "a")]
    assert log.machine.session(session) is None


def test_of_two_that_let_go_at_once_one_stays() -> None:
    log = Log()
    first, second = log.open("first", credit=1), log.open("second", credit=1)

    outcomes = [log.session(one, c.leave(one)).outcomes[-1] for one in (first, second)]

    assert outcomes == [0, [c.LAST_SESSION]]
    assert [view.session for view in log.machine.sessions()] == [second]


def test_only_a_session_that_takes_tasks_and_was_heard_of_lets_another_go() -> None:
    log = Log()
    session, dormant = log.open("session", credit=1), log.open("dormant")
    assert log.session(session, c.leave(session)).outcomes == [0, [c.LAST_SESSION]]
    silent = log.open("silent", credit=1)
    log.pass_s(15)
    log.session(session)
    log.pass_s(6)
    assert log.session(session, c.leave(session)).outcomes == [0, [c.LAST_SESSION]]

    log.session(silent)

    assert log.session(session, c.leave(session), c.leave(session)).outcomes == [0, 0, [c.STALE]]
    assert log.say(c.leave(silent), writer="dormant") == [c.STALE]
    assert [view.session for view in log.machine.sessions()] == [dormant, silent]


def test_the_first_genesis_counts() -> None:
    log = Log()
    log.say(c.genesis(b"1" * 16, 0, 1))
    log.say(c.genesis(b"2" * 16, 0, 1))

    assert log.machine.genesis == (b"1" * 16, 0, 1)


def test_a_journal_of_an_unknown_version_is_not_touched() -> None:
    log = Log()
    log.say([c.GENESIS, b"1" * 16, 0, 1, 2])

    assert log.machine.unsupported_version() == 2
    assert log.enqueue("a").outcomes == [[c.REJECTED]]
