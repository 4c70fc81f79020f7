"""What does time do to a queue?"""

from __future__ import annotations

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine.log import START_MS, Log

NOW_S = START_MS // 1000


def schedule(log: Log, **at_s: int) -> None:
    log.say(c.enqueue_more(list(at_s), [b""] * len(at_s), process_at=[NOW_S + s for s in at_s.values()]))


def test_due_tasks_become_pending_by_second_and_id_behind_what_waits() -> None:
    log = Log()
    schedule(log, z=2, b=1, a=2, late=9)
    log.enqueue("first")

    log.pass_s(2)

    assert log.ids(TaskState.PENDING) == ["first", "b", "a", "z"]
    assert log.ids(TaskState.SCHEDULED) == ["late"]
    view = log.machine.task("a")
    assert view is not None
    assert view.pending_since_ms == START_MS + 2000


def test_a_due_task_is_given_out_in_the_entry_that_makes_it_due() -> None:
    log = Log()
    schedule(log, a=1)
    session = log.open(credit=1)

    assert [(g.session, g.ids) for g in log.pass_s(1).assignments] == [(session, ["a"])]


def test_it_is_known_when_something_is_due() -> None:
    log = Log()
    assert log.machine.next_due_ms() is None
    schedule(log, a=60)
    assert log.machine.next_due_ms() == (NOW_S + 60) * 1000

    log.say(c.enqueue_more(["u"], [b""], unique_keys=["k"], unique_ttls=[30]))
    assert log.machine.next_due_ms() == START_MS + 30_000

    session = log.open(credit=1)
    log.frame(c.tick())
    assert log.machine.next_due_ms() == START_MS + 8_000
    log.session(session, c.settle_done([(session, 0, 1)]), c.close_session(session))
    log.pass_s(30)

    assert log.machine.next_due_ms() == (NOW_S + 60) * 1000


def test_the_clock_holds_through_small_steps_back_and_follows_large_ones() -> None:
    log = Log()
    log.frame(c.tick())
    log.now_ms -= 600_000
    assert log.frame(c.tick()).notes == []
    assert log.machine.clock_ms == START_MS

    log.now_ms -= 1
    applied = log.frame(c.tick())

    assert log.machine.clock_ms == START_MS - 600_001
    assert "went back by 600 s" in applied.notes[0]
    assert log.machine.lease_clock_ms == 0


def test_the_lease_clock_goes_on_from_a_step_back() -> None:
    log = Log()
    log.frame(c.tick())
    log.now_ms -= 60_000
    log.frame(c.tick())
    log.now_ms += 2_000
    log.frame(c.tick())

    assert (log.machine.clock_ms, log.machine.lease_clock_ms) == (START_MS, 2_000)


def test_a_timestamp_not_given_by_the_log_moves_nothing_and_is_reported_once() -> None:
    log = Log()
    log.frame(c.tick())

    first = log.append(b"", is_log_time=False)
    log.now_ms += 5_000
    second = log.append(b"", is_log_time=False)

    assert "time stands still" in first.notes[0]
    assert len(second.notes) == 1
    assert log.machine.clock_ms == START_MS


def test_counters_of_a_day_go_after_90_days_and_totals_stay() -> None:
    log = Log()
    session = log.open(credit=1)
    log.enqueue("a")
    log.session(session, c.settle_done([(log.position, 0, 1)]))
    day = START_MS // 86_400_000

    log.now_ms += 90 * 86_400_000 - 1
    log.frame(c.tick())
    assert log.machine.history(day) == (1, 0)
    log.now_ms += 1
    log.frame(c.tick())

    assert log.machine.history(day) == (0, 0)
    assert log.machine.counts().processed_total == 1
