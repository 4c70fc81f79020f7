"""Does each failure of Redis say what it is, and what to do?"""

from __future__ import annotations

import pytest
from redis import exceptions

from asynq_compat.brokers.redis.commands import Refusal
from asynq_compat.brokers.redis.refusals import is_passing, refusal_of, refused, unavailable
from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, UnsupportedByBroker


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (exceptions.NoScriptError("No matching script. Please use EVAL."), "NOSCRIPT"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "READONLY"),
        (exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "OOM"),
        (exceptions.AuthenticationError("Authentication required."), "NOAUTH"),
        (exceptions.AuthenticationError("invalid username-password pair or user is disabled."), "WRONGPASS"),
        (exceptions.ConnectionError("max number of clients reached"), "MAXCLIENTS"),
        (exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), "WRONGTYPE"),
        (
            exceptions.ResponseError("Error running script (call to f_1): @user_script:1: -OOM command not allowed"),
            "OOM",
        ),
        (exceptions.ResponseError("value is not an integer or out of range"), "ERR"),
        (exceptions.ResponseError("DB index is out of range"), "DB"),
    ],
)
def test_a_reply_has_its_code(error: Exception, code: str) -> None:
    assert refusal_of(error).code == code


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal("READONLY", "You can't write"), BrokerUnavailableError),
        (Refusal("WRONGTYPE", "Operation against a key"), CorruptDataError),
        (Refusal("ERR", "user_script:3: attempt to concatenate"), CorruptDataError),
        (Refusal("ERR", "unknown command 'ZMSCORE'"), UnsupportedByBroker),
        (Refusal("MISCONF", "Redis is configured to save"), BrokerUnavailableError),
    ],
)
def test_a_refusal_becomes_an_error_that_names_the_address(refusal: Refusal, kind: type[AsynqError]) -> None:
    error = refused("db.example:6379", refusal)

    assert type(error) is kind
    assert "db.example:6379" in str(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.ConnectionError("Connection closed by server."), True),
        (exceptions.TimeoutError("Timeout reading from socket"), True),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), True),
        (exceptions.ConnectionError("max number of clients reached"), True),
        (exceptions.AuthenticationError("invalid username-password pair"), False),
        (exceptions.InvalidResponse("Protocol Error: b'HTTP/1.1 400'"), False),
        (exceptions.OutOfMemoryError("command not allowed"), False),
    ],
)
def test_what_passes_is_tried_again(error: Exception, *, expected: bool) -> None:
    assert is_passing(error) is expected


def test_an_outage_says_whether_it_may_have_happened() -> None:
    broken = exceptions.ConnectionError("Connection closed by server.")

    sent = unavailable("a:1", broken, was_sent=True, dial_timeout_s=5, read_timeout_s=3)
    unsent = unavailable("a:1", broken, was_sent=False, dial_timeout_s=5, read_timeout_s=3)

    assert isinstance(sent, BrokerUnavailableError)
    assert sent.may_have_happened
    assert isinstance(unsent, BrokerUnavailableError)
    assert not unsent.may_have_happened


def test_a_timeout_names_its_limit() -> None:
    late = exceptions.TimeoutError("timed out")

    assert "within 3 s" in str(unavailable("a:1", late, was_sent=True, dial_timeout_s=5, read_timeout_s=3))
    assert "within 5 s" in str(unavailable("a:1", late, was_sent=False, dial_timeout_s=5, read_timeout_s=3))
