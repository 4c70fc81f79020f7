"""Can a writer that folds nothing be told what became of its frame?"""

from __future__ import annotations

import pytest

from asynq_compat.machine.applied import Reply, Verdict
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.unit.machine.log import Log, message

WRITER = b"w" * 16


def asking(sequence: int, *ids: str) -> bytes:
    return encode_frame(WRITER, sequence, [c.enqueue(ids, [message(i) for i in ids]), c.ask()])


def test_a_frame_that_asks_has_an_answer_and_another_has_none() -> None:
    log = Log()
    log.enqueue("a")

    applied = log.append(asking(1, "a", "b"))

    assert applied.answer == applied.outcomes == [[c.ID_TAKEN, c.OK], 0]
    assert log.enqueue("c").answer is None


def test_a_frame_that_comes_again_has_the_same_answer_until_its_writer_s_next() -> None:
    log = Log()
    log.append(asking(1, "a"))
    log.append(asking(2, "a"))

    again = log.append(asking(2, "a"))
    before = log.append(asking(1, "a"))

    assert (again.verdict, again.answer) == (Verdict.DUPLICATE, [[c.ID_TAKEN], 0])
    assert (before.verdict, before.answer) == (Verdict.DUPLICATE, None)
    assert log.machine.answer(WRITER, 2) == [[c.ID_TAKEN], 0]
    log.append(encode_frame(WRITER, 3, [c.tick()]))
    assert log.machine.answer(WRITER, 2) is log.machine.answer(WRITER, 3) is None


def test_a_loaded_state_is_equal_only_with_its_answers() -> None:
    asked, plain = Log(), Log()

    asked.append(encode_frame(WRITER, 1, [c.ask()]))
    plain.append(encode_frame(WRITER, 1, [c.ask(), c.tick()]))

    for log in (asked, plain):  # The same but for what was answered.
        log.machine._state.writers.known[WRITER].check = 0
    assert asked.machine.digest() != plain.machine.digest()


def test_a_reply_is_told_and_changes_nothing() -> None:
    log = Log()
    log.append(asking(1, "a"))
    silent = log.replayed()

    applied = log.frame(c.reply(WRITER, 1, [[c.DUPLICATE, c.OK, [c.STALE]], 0]), writer="server")
    silent.apply(log.position, log.now_ms, True, encode_frame(b"server".ljust(16, b"."), 1, [c.tick()]))

    assert applied.replies == [Reply(WRITER, 1, [[c.DUPLICATE, c.OK, [c.STALE]], 0])]
    assert applied.outcomes == [0]
    assert silent.task("a") == log.machine.task("a")
    assert silent.answer(WRITER, 1) == log.machine.answer(WRITER, 1) == [0, 0]


@pytest.mark.parametrize(
    "command",
    [
        [c.ASK, 1],
        [c.REPLY],
        [c.REPLY, b"short", 1, [0]],
        [c.REPLY, WRITER, "1", [0]],
        [c.REPLY, WRITER, 1, 0],
        [c.REPLY, WRITER, 1, ["0"]],
        [c.REPLY, WRITER, 1, [[[b""]]]],
        [c.REPLY, WRITER, 1, [[None]]],
        [c.REPLY, WRITER, 1, [0], 0],
    ],
)
def test_what_is_malformed_is_rejected(command: c.Command) -> None:
    applied = Log().frame(command)

    assert applied.outcomes == [[c.REJECTED]]
    assert (applied.answer, list(applied.replies)) == (None, [])


def test_sessions_reply_in_their_order_and_idle_ones_last() -> None:
    log = Log()
    idle, first, second = log.open("idle"), log.open("first", credit=1), log.open("second", credit=1)

    assert [log.machine.reply_rank(name) for name in (first, second, idle, 99)] == [0, 1, 2, None]
    assert [log.machine.rank(name) for name in (first, second, idle)] == [0, 1, None]
