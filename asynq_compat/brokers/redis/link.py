"""How does a request reach Redis, and what happens when the connection breaks?

Contract: thread-safe; one round trip for any number of commands; connections are opened when needed and kept. A broken connection, a
read timeout and replies that pass (LOADING, READONLY, ...) are tried again up to three times with a back-off of 8 to 512 ms, as
go-redis does, but not once the dial timeout is over. Scripts that Redis does not know are loaded and run again. Errors are ours.
Not obvious: a request sent again after its answer was lost may happen twice; `Exchange.was_resent` tells the caller.
Source: docs/semantics.md, "connection options", trap P13.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from redis import exceptions

from asynq_compat.brokers.redis.commands import Answer, Command, Refusal, Reply
from asynq_compat.brokers.redis.connection import RedisConnection, RedisSettings
from asynq_compat.brokers.redis.pool import Pool
from asynq_compat.brokers.redis.refusals import PASSING, direct_cause, is_passing, refused, unavailable
from asynq_compat.errors import AsynqError
from asynq_compat.wire.hot_record import hot_record

_RETRIES_MAX = 3
_BACKOFF_MIN_S, _BACKOFF_MAX_S = 0.008, 0.512
_SEND_BYTES = 32_768
_FAILURES = (exceptions.RedisError, OSError, UnicodeDecodeError)


@hot_record
class Exchange:
    """What came back: one answer per command, same order, and whether something was sent twice."""

    answers: list[Answer]
    was_resent: bool


class Link:
    """The way to one Redis."""

    def __init__(self, settings: RedisSettings) -> None:
        self.address = settings.addr
        self._settings = settings
        self._pool = Pool(settings)
        self._is_closed = threading.Event()

    def ask(self, command: Command) -> Reply:
        """Return the answer to one command.

        Raises:
            AsynqError: Redis cannot be reached, or it refused.
        """
        return self.accept(self.run([command]).answers[0])

    def accept(self, answer: Answer) -> Reply:
        """Return `answer`, or raise what its refusal means."""
        if isinstance(answer, Refusal):
            raise refused(self.address, answer)
        return answer

    def run(self, commands: Sequence[Command]) -> Exchange:
        """Send `commands` in one round trip and return one answer each, same order; refusals are answers.

        Raises:
            AsynqError: No answers; `may_have_happened` when the commands may have run.
        """
        answers: list[Answer] = [None] * len(commands)
        open_indexes = list(range(len(commands)))
        give_up_at = time.monotonic() + self._settings.dial_timeout_s
        attempt, was_resent = 0, False
        while True:
            failure = self._attempt([commands[index] for index in open_indexes])
            if isinstance(failure, list):
                for index, answer in zip(open_indexes, failure, strict=True):
                    answers[index] = answer
                open_indexes = [index for index in open_indexes if self._is_open(answers[index])]
                if not open_indexes or attempt == _RETRIES_MAX or time.monotonic() > give_up_at:
                    return Exchange(answers, was_resent)
            else:
                was_resent = was_resent or failure.was_sent
                can_pass = is_passing(failure.error) and attempt < _RETRIES_MAX and time.monotonic() < give_up_at
                if not can_pass or failure.has_dialled_too_long or self._is_closed.is_set():
                    outage = self._outage(failure.error, was_sent=was_resent)
                    raise outage from direct_cause(failure.error)
            self._is_closed.wait(_backoff_s(attempt))
            attempt += 1

    def dedicated(self) -> RedisConnection:
        """Return an open connection outside the pool: the caller owns it.

        Raises:
            AsynqError: It cannot be opened.
        """
        connection = RedisConnection(self._settings)
        try:
            connection.open()
        except _FAILURES as error:
            outage = self._outage(error, was_sent=False)
            raise outage from direct_cause(error)
        return connection

    def close(self) -> None:
        """Close all connections. Legal twice."""
        self._is_closed.set()
        self._pool.close()

    def _is_open(self, answer: Answer) -> bool:
        return isinstance(answer, Refusal) and answer.code in PASSING

    def _attempt(self, commands: Sequence[Command]) -> list[Answer] | _Failure:
        connection = self._pool.lend()
        was_sent = False
        try:
            connection.open()
            was_sent = True
            answers = _exchange(connection, commands)
            unknown = [
                at for at, answer in enumerate(answers) if isinstance(answer, Refusal) and answer.code == "NOSCRIPT"
            ]
            if unknown:
                self._load(connection, [commands[at] for at in unknown])
                for at, answer in zip(unknown, _exchange(connection, [commands[at] for at in unknown]), strict=True):
                    answers[at] = answer
            return answers
        except _FAILURES as error:
            connection.close()
            self._pool.drop_idle()
            # What is not even let in, or meets a Redis that loads, has not happened.
            was_sent = was_sent and not isinstance(error, exceptions.AuthenticationError | exceptions.BusyLoadingError)
            return _Failure(error, was_sent, not was_sent and isinstance(error, exceptions.TimeoutError | TimeoutError))
        except BaseException:
            connection.close()
            raise
        finally:
            self._pool.give_back(connection)

    def _load(self, connection: RedisConnection, commands: Sequence[Command]) -> None:
        scripts = {command.script for command in commands if command.script is not None}
        for answer in _exchange(connection, [Command(script.load) for script in scripts]):
            self.accept(answer)

    def _outage(self, error: Exception, *, was_sent: bool) -> AsynqError:
        return unavailable(
            self.address,
            error,
            was_sent=was_sent,
            dial_timeout_s=self._settings.dial_timeout_s,
            read_timeout_s=self._settings.read_timeout_s,
        )


@hot_record
class _Failure:
    error: Exception
    was_sent: bool
    has_dialled_too_long: bool


def _exchange(connection: RedisConnection, commands: Sequence[Command]) -> list[Answer]:
    parts: list[bytes] = []
    size_bytes = 0
    for command in commands:
        parts.append(command.packed)
        size_bytes += len(parts[-1])
        if size_bytes > _SEND_BYTES:  # Redis begins while the rest is packed.
            connection.send(b"".join(parts))
            parts, size_bytes = [], 0
    if parts:
        connection.send(b"".join(parts))
    return [connection.receive() for _ in commands]


def _backoff_s(attempt: int) -> float:
    step_s: float = _BACKOFF_MIN_S * 2**attempt
    return min(_BACKOFF_MIN_S + random.random() * step_s, _BACKOFF_MAX_S)
