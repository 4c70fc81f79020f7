"""Do messages, outcomes and log records arrive as they went?"""

from __future__ import annotations

import enum
import logging
import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynq_compat import errors
from asynq_compat.engine.processes.between import logs, messages
from asynq_compat.engine.processes.between.outcomes import error_of, failure_of, nothing_of, settlement_of, told_of
from asynq_compat.ports.consuming import Lease, SettleKind, Settlement


class Always:
    def is_valid(self) -> bool:
        return True


LEASE = Lease("default", "t1", b"message", Always(), index=3)
VALUES = st.one_of(st.none(), st.integers(), st.text(), st.binary(max_size=300), st.lists(st.binary(max_size=20)))


@given(st.lists(st.tuples(st.integers(0, 30), VALUES)), st.integers(1, 50))
def test_messages_come_whole_whatever_the_pieces(sent: list[messages.Message], size: int) -> None:
    stream = b"".join(map(messages.packed, sent))
    inbox = messages.Inbox()

    received = [one for at in range(0, len(stream), size) for one in inbox.feed(stream[at : at + size])]

    assert received == sent


def test_a_message_that_is_cut_off_is_none() -> None:
    inbox = messages.Inbox()

    assert list(inbox.feed(messages.packed((messages.PING,)) + messages.packed((messages.END,))[:-1])) == [
        (messages.PING,)
    ]


def test_a_message_that_its_reader_fails_at_does_not_come_again() -> None:
    inbox = messages.Inbox()
    stream = b"".join(messages.packed((kind,)) for kind in (messages.PING, messages.PONG, messages.END))

    for message in inbox.feed(stream):
        if message[0] == messages.PONG:
            break

    assert list(inbox.feed(b"")) == [(messages.END,)]


@given(st.integers(0, 50), st.lists(st.integers(0, 20), max_size=6))
def test_tasks_are_shared_out_by_room(count: int, room: list[int]) -> None:
    given_out = messages.shares(count, room)

    assert sum(given_out) == min(count, sum(room))
    assert all(0 <= got <= has for got, has in zip(given_out, room, strict=True))


def test_one_task_goes_where_there_is_most_room_and_many_go_in_proportion() -> None:
    assert messages.shares(1, [2, 5, 3]) == [0, 1, 0]
    assert messages.shares(10, [10, 10]) == [5, 5]
    assert messages.shares(6, [8, 4]) == [4, 2]


@pytest.mark.parametrize(
    "settlement",
    [
        Settlement(LEASE, SettleKind.RETRY, 1.5, "wörse", False),
        Settlement(LEASE, SettleKind.ARCHIVE, 0.0, "bad"),
        Settlement(LEASE, SettleKind.COMPLETE, retention_s=60),
        Settlement(LEASE, SettleKind.REQUEUE),
    ],
)
def test_a_settlement_is_the_same_on_the_other_side(settlement: Settlement) -> None:
    told = told_of(settlement)

    assert settlement_of(LEASE, told) == settlement
    assert told[0] == 3
    assert settlement_of(LEASE, nothing_of(LEASE)) is None


@pytest.mark.parametrize(
    "error",
    [
        errors.BrokerUnavailableError("no answer", may_have_happened=True),
        errors.PayloadTooLargeError("too large", size_bytes=3, size_bytes_max=2),
        errors.LeaseExpiredError(),
        errors.TaskNotFoundError("no such task"),
    ],
)
def test_an_error_of_the_package_is_raised_as_it_was(error: errors.AsynqError) -> None:
    again = error_of(failure_of(error))

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_foreign_error_comes_with_its_text() -> None:
    again = error_of(failure_of(ZeroDivisionError("by zero")))

    assert (type(again), str(again)) == (errors.AsynqError, "by zero")


def test_a_record_keeps_what_a_line_is_made_of(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise RuntimeError("inside")
    except RuntimeError as error:
        record = logging.getLogger("user.code").makeRecord(
            "user.code", logging.WARNING, "file.py", 7, "%s is %d", ("x", 3), (RuntimeError, error, error.__traceback__)
        )
    record.process = 4711

    with caplog.at_level(logging.INFO):
        logs.handle(logs.told(record, record.name), logging.getLogger("the.server"))

    (seen,) = caplog.records
    assert (seen.name, seen.getMessage(), seen.process, seen.lineno) == ("user.code", "x is 3", 4711, 7)
    assert seen.created == record.created
    assert "RuntimeError: inside" in caplog.text


class Markup(str):
    """Text of a class of its own, as template engines have it."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


class Level(enum.IntEnum):
    """Numbers of a class of their own."""

    NOTICE = 25


def test_a_record_of_subclasses_of_text_and_numbers_can_be_sent() -> None:
    record = logging.makeLogRecord({"levelno": Level.NOTICE, "msg": Markup("<b>"), "name": Markup("user")})

    told = logs.told(record, record.name)

    assert marshal.loads(marshal.dumps(told)) == told
    assert (told[1], told[2]) == (25, "<b>")


def test_the_servers_lines_go_to_its_own_logger_and_levels_hold(caplog: pytest.LogCaptureFixture) -> None:
    record = logging.makeLogRecord({"levelno": logging.INFO, "msg": "hello"})

    with caplog.at_level(logging.WARNING, "the.server"):
        logs.handle(logs.told(record, logs.SERVER), logging.getLogger("the.server"))
    assert not caplog.records

    with caplog.at_level(logging.INFO, "the.server"):
        logs.handle(logs.told(record, logs.SERVER), logging.getLogger("the.server"))
    assert [one.name for one in caplog.records] == ["the.server"]


def test_a_filter_that_fails_loses_its_line_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def asks_for_more(record: logging.LogRecord) -> bool:
        return bool(record.__dict__["request_id"])

    log = logging.Logger("the.server")  # noqa: LOG001 - nobody else gets its filter
    log.addFilter(asks_for_more)

    logs.handle(logs.told(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "hello"}), logs.SERVER), log)

    assert "KeyError: 'request_id'" in capsys.readouterr().err
