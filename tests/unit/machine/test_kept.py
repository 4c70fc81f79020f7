"""Do completed tasks and locks share what they can, and is each still its own?"""

from __future__ import annotations

from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.message import decode_message
from tests.unit.machine.log import START_MS, Log, message

NOW_S = START_MS // 1000
IDS = [f"task-{number:04}" for number in range(100)]
KEYS = [f"key-{number:04}" for number in range(100)]


def _unique(log: Log, ids: list[str], keys: list[str], ttl_s: int = 60) -> int:
    log.say(c.enqueue_more(ids, [message(i) for i in ids], unique_keys=keys, unique_ttls=[ttl_s] * len(ids)))
    return log.position


def _kept(machine: Machine) -> list[tuple[str, int | None, int]]:
    return [
        (view.task_id, view.due_at, decode_message(view.message).completed_at)
        for view in machine.list_tasks(TaskState.COMPLETED)
    ]


def test_tasks_of_one_frame_are_locked_and_freed_each_by_itself() -> None:
    log = Log()
    session = log.open(credit=1_000)
    at = _unique(log, IDS, KEYS)

    log.session(session, c.settle_done([(at, 0, 10)]), c.settle_complete([(at, 10, 20, 30)]))

    assert [log.machine.lock_holder(key) for key in KEYS] == [None] * 20 + IDS[20:]
    log.pass_s(59.999)
    assert log.machine.next_due_ms() == START_MS + 60_000
    assert log.machine.lock_holder(KEYS[-1]) == IDS[-1]
    log.pass_s(0.001)
    assert log.machine.lock_holder(KEYS[-1]) is None


def test_of_a_frame_with_a_held_lock_or_a_taken_id_the_others_enter() -> None:
    log = Log()
    _unique(log, ["a"], ["k"])

    outcome = log.say(
        c.enqueue_more(
            ["b", "a", "c", "c", "d"],
            [b""] * 5,
            unique_keys=["k", "l", "m", "n", "m"],
            unique_ttls=[9, 9, 9, 9, 9],
        )
    )

    assert outcome == [c.DUPLICATE, c.ID_TAKEN, 0, c.ID_TAKEN, c.DUPLICATE]
    assert [log.machine.lock_holder(key) for key in "klmn"] == ["a", None, "c", None]


def test_a_lock_that_was_freed_and_taken_again_ends_at_its_new_time() -> None:
    log = Log()
    session = log.open(credit=1_000)
    at = _unique(log, IDS, KEYS)
    log.session(session, c.settle_done([(at, 0, 100)]))
    log.pass_s(1)
    _unique(log, IDS, KEYS, ttl_s=100)

    assert log.machine.next_due_ms() is not None
    log.pass_s(99)
    assert log.machine.lock_holder(KEYS[0]) == IDS[0]
    log.pass_s(1)
    assert log.machine.lock_holder(KEYS[0]) is None


def test_locks_that_come_and_go_leave_nothing_behind() -> None:
    log = Log()
    session = log.open(credit=60_000)
    for _ in range(20):
        at = _unique(log, IDS, KEYS, ttl_s=1_000_000)
        log.session(session, c.settle_done([(at, 0, len(IDS))]))
        log.pass_s(1)

    locks = log.machine.state.locks
    assert not locks.held
    assert not locks.key_of
    assert locks.ending_count <= 3 * len(IDS)


def test_completed_tasks_come_in_the_order_of_second_and_id_whenever_they_ended() -> None:
    log = Log()
    session = log.open(credit=1_000)
    at = _unique(log, ["d", "c", "b", "a"], list("wxyz"))

    log.session(session, c.settle_complete([(at, 0, 2, 30)]))
    log.pass_s(10)
    log.session(session, c.settle_complete([(at, 2, 3, 20), (at, 3, 4, 5)]))

    assert _kept(log.machine) == [
        ("a", NOW_S + 15, NOW_S + 10),
        ("b", NOW_S + 30, NOW_S + 10),
        ("c", NOW_S + 30, NOW_S),
        ("d", NOW_S + 30, NOW_S),
    ]
    assert [view.task_id for view in log.machine.list_tasks(TaskState.COMPLETED, 1, 2)] == ["b", "c"]


def test_a_completed_task_can_be_taken_out_of_those_that_ended_with_it() -> None:
    log = Log()
    session = log.open(credit=1_000)
    at = _unique(log, ["a", "b", "c", "d"], list("wxyz"))
    log.session(session, c.settle_complete([(at, 0, 4, 30)]))

    assert log.say(c.delete(["b"])) == 0
    assert log.say(c.archive(["c"])) == 0
    assert log.say(c.run(["d"])) == 0

    assert _kept(log.machine) == [("a", NOW_S + 30, NOW_S)]
    assert log.machine.counts().completed == 1
    assert log.stored("c").completed_at == log.stored("d").completed_at == NOW_S
    assert log.say(c.delete(["a"])) == 0
    assert log.machine.state.kept.first_s() is None


def test_a_restored_machine_keeps_them_as_long_and_says_the_same() -> None:
    log = Log()
    session = log.open(credit=1_000)
    at = _unique(log, IDS, KEYS)
    log.session(session, c.settle_complete([(at, 0, 50, 30), (at, 50, 60, 40)]))
    log.pass_s(5)
    log.session(session, c.settle_complete([(at, 60, 70, 25)]))

    sections = list(snapshot_sections(log.machine))
    restored = restore("q", sections, accepts_issuer_time=True)

    assert _kept(restored) == _kept(log.machine)
    assert list(snapshot_sections(restored)) == sections
    assert restored.next_due_ms() == log.machine.next_due_ms()
