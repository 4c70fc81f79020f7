"""Does a tracing machine name what happens to a task, whatever does it?"""

from __future__ import annotations

from asynq_compat.brokers.journal.history.attempts import attempts_of
from asynq_compat.brokers.journal.history.entries import command_text
from asynq_compat.brokers.journal.history.tracing import TracingMachine
from asynq_compat.journals.journal import Entry
from asynq_compat.machine.versions import TRANSITIONS
from asynq_compat.ports.history import Change, TaskEvent
from asynq_compat.rules.instants import instant_of
from asynq_compat.wire import command as c
from tests.unit.machine.log import Log, message


def traced(log: Log, task_id: str) -> TracingMachine:
    machine = TracingMachine("q", task_id)
    for entry in log.entries:
        machine.trace(Entry(*entry))
    assert machine.digest() == log.machine.digest()
    return machine


def changes(log: Log, task_id: str) -> list[Change]:
    return [seen.change for seen in traced(log, task_id).seen]


def given(*ids: str) -> tuple[Log, int, int]:
    """A log in which a session was given tasks at a position."""
    log = Log()
    session = log.open(credit=10)
    log.enqueue(*ids)
    return log, session, log.position


def test_what_is_enqueued_and_given_by_one_entry_is_both() -> None:
    log, session, position = given("a")

    machine = traced(log, "a")

    assert [(seen.change, seen.position, seen.session) for seen in machine.seen] == [
        (Change.ENQUEUED, position, None),
        (Change.GIVEN, position, session),
    ]
    assert machine.type == "t"


def test_a_bare_record_is_an_enqueue_without_a_writer() -> None:
    log = Log()
    log.append(message("a"))

    (seen,) = traced(log, "a").seen

    assert (seen.change, seen.writer_id, seen.state) == (Change.ENQUEUED, b"", "pending")


def test_a_bare_record_can_be_given_at_once_or_refused() -> None:
    log = Log()
    log.open(credit=1)
    log.append(message("a"))
    log.append(message("a"))

    seen = traced(log, "a").seen

    assert [(one.change, one.state) for one in seen] == [
        (Change.ENQUEUED, "pending"),
        (Change.GIVEN, "active"),
        (Change.REFUSED, "active"),
    ]


def test_a_task_that_was_aggregated_and_the_one_that_stands_for_it() -> None:
    log = Log()
    log.frame(c.enqueue_more(["a", "b"], [message("a"), message("b")], groups=["g", "g"]))
    log.frame(c.aggregate(["g"], 2, 0, 60))
    log.frame(c.delete_set(log.position, 0, c.enqueue_more(["all"], [message("all")])))

    seen = traced(log, "b").seen
    assert [(one.change, one.state, one.due_at) for one in seen] == [
        (Change.ENQUEUED, "aggregating", None),
        (Change.AGGREGATED, "", None),
    ]
    assert changes(log, "all") == [Change.ENQUEUED]


def test_the_ends_of_an_attempt_have_their_names() -> None:
    log, session, at = given(*"abcdefg")
    log.session(
        session,
        c.settle_done([(at, 0, 1)]),
        c.settle_complete([(at, 1, 2, 60)]),
        c.settle_retry([(at, 2, 1_000, "why", 1)]),
        c.settle_archive([(at, 3, "why not")]),
        c.settle_requeue([(at, 4, 5)]),
        c.hand_back([(at, 5, 6)]),
        mark=(at, 5),
    )

    ends = {task_id: changes(log, task_id)[2:] for task_id in "abcdefg"}

    assert ends == {
        "a": [Change.STARTED, Change.DONE],
        "b": [Change.STARTED, Change.COMPLETED],
        "c": [Change.STARTED, Change.RETRIED],
        "d": [Change.STARTED, Change.ARCHIVED],
        "e": [Change.STARTED, Change.REQUEUED, Change.GIVEN],
        "f": [Change.RETURNED, Change.GIVEN],
        "g": [],
    }
    assert [seen.error for seen in traced(log, "c").seen if seen.error] == ["why"]


def test_a_dead_servers_tasks_are_orphaned_or_returned_and_recovered() -> None:
    log, session, at = given("started", "waiting")
    log.session(session, mark=(at, 1), credit=-8)
    log.pass_s(40)
    log.say(c.recover_retry([(session, at, 0, 1_000, "lease expired", 1)]))

    assert changes(log, "started")[2:] == [Change.STARTED, Change.ORPHANED, Change.RETRIED]
    assert changes(log, "waiting")[2:] == [Change.RETURNED]


def test_an_operator_and_the_clock_have_their_names() -> None:
    log = Log()
    at = log.now_ms // 1000 + 5
    log.frame(c.enqueue_more(["due", "run"], [message("due"), message("run")], process_at=[at, at + 500]))
    log.enqueue("kept", "gone")
    log.say(c.run(["run"]), c.archive(["kept"]), c.delete(["gone"]))
    log.pass_s(10)

    assert changes(log, "due") == [Change.ENQUEUED, Change.DUE]
    assert changes(log, "run") == [Change.ENQUEUED, Change.RUN]
    assert changes(log, "kept") == [Change.ENQUEUED, Change.ARCHIVED]
    assert changes(log, "gone") == [Change.ENQUEUED, Change.DELETED]


def test_a_completed_task_expires() -> None:
    log, session, at = given("a")
    log.session(session, c.settle_complete([(at, 0, 1, 5)]), credit=-9)
    log.pass_s(10)

    assert changes(log, "a")[-2:] == [Change.COMPLETED, Change.EXPIRED]


def test_an_id_that_is_taken_is_a_refusal() -> None:
    log = Log()
    log.enqueue("a")
    log.enqueue("b", "a")

    assert changes(log, "a") == [Change.ENQUEUED, Change.REFUSED]
    assert changes(log, "b") == [Change.ENQUEUED]


def event(change: Change, second: int, error: str = "") -> TaskEvent:
    return TaskEvent(
        position=second,
        at=instant_of(second * 1_000_000_000),
        change=change,
        writer="",
        server="s",
        state="",
        error=error,
        due_at=None,
    )


def test_an_attempt_lasts_from_when_it_was_given_to_its_end() -> None:
    first, second = attempts_of(
        [
            event(Change.ENQUEUED, 1),
            event(Change.GIVEN, 2),
            event(Change.STARTED, 3),
            event(Change.REFUSED, 4),
            event(Change.RETRIED, 5, "why"),
            event(Change.DUE, 9),
            event(Change.GIVEN, 9),
        ]
    )

    assert first.duration is not None
    assert (first.duration.total_seconds(), first.outcome, first.error) == (3.0, Change.RETRIED, "why")
    assert first.started_at == instant_of(3_000_000_000)
    assert (second.number, second.outcome, second.duration) == (2, None, None)


def test_every_command_has_words_however_odd_its_items() -> None:
    for code, transition in TRANSITIONS.items():
        odd: list[list[object]] = [[], [None] * 5, [[[]]], [[["x", {}]], b"", 1.5, -1]]
        for items in odd:
            assert command_text([code, *items]).startswith(transition.__name__)
    assert command_text([999]) == "unknown command 999"


def test_sets_are_told_in_words() -> None:
    assert command_text(c.aggregate(["g", "h"], 2, 0, 60)) == "aggregate g, h"
    assert command_text(c.delete_set(7, 0)) == "delete_set 7.0"
    assert command_text(c.delete_set(7, 1, c.enqueue_more(["all"], [b""]))) == "delete_set 7.1, enqueue all"
    assert command_text([c.DELETE_SET, 7, 1, [9]]) == "delete_set 7.1"
