"""How does a batch of commands reach one server, and what comes back?

Contract: thread-safe; one attempt, one round trip for any number of commands; connections are opened when needed and kept. Scripts that
the server does not know are loaded and run again. Whether to try again is the link's to say.
Not obvious: a server that answers READONLY is no master any more: its connections are closed, so that the next attempt looks for the new one.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from redis import exceptions

from asynq_compat.brokers.redis.commands import Answer, Command, Refusal, command
from asynq_compat.brokers.redis.connection import RedisConnection, Whereabouts, new_connection
from asynq_compat.brokers.redis.pool import Pool, PoolClosedError
from asynq_compat.brokers.redis.refusals import refused
from asynq_compat.brokers.redis.settings import RedisSettings
from asynq_compat.wire.hot_record import hot_record

_SEND_BYTES = 32_768
_ASKING = command(b"ASKING").packed
FAILURES = (exceptions.RedisError, OSError, UnicodeDecodeError)


@hot_record
class Failure:
    """Why no answer came, whether the commands may have run, and whether connecting took all the time there is."""

    error: Exception
    was_sent: bool
    has_dialled_too_long: bool


class Node:
    """One server; `whereabouts` as in `RedisConnection`."""

    def __init__(self, settings: RedisSettings, whereabouts: Whereabouts | None = None) -> None:
        self._settings = settings
        self._whereabouts = whereabouts
        self.pool = Pool(settings, whereabouts)
        self._dialled: weakref.WeakSet[RedisConnection] = weakref.WeakSet()

    def attempt(self, commands: Sequence[Command], *, asks: bool = False) -> list[Answer] | Failure:
        """Send `commands` once and return one answer each, same order; refusals are answers.

        Args:
            commands: What to send.
            asks: The slot is on its way to this node, which takes each command only behind ASKING.

        Raises:
            AsynqError: All connections are in use, or closed; or a script was refused.
        """
        exchange = _exchange_asking if asks else _exchange
        pool = self.pool
        try:
            connection = pool.lend()
        except PoolClosedError:
            if self.pool is pool:
                raise
            return self.attempt(commands, asks=asks)  # It has moved meanwhile.
        was_sent = False
        try:
            connection.open()
            was_sent = True
            answers = exchange(connection, commands)
            refusals = [at for at, answer in enumerate(answers) if isinstance(answer, Refusal)]
            if refusals:
                self._retract(connection, pool, commands, answers, refusals)
            return answers
        except FAILURES as error:
            connection.close()
            pool.drop_idle()
            # What is not even let in, or meets a Redis that loads, has not happened.
            was_sent = was_sent and not isinstance(error, exceptions.AuthenticationError | exceptions.BusyLoadingError)
            return Failure(error, was_sent, not was_sent and isinstance(error, exceptions.TimeoutError | TimeoutError))
        except BaseException:
            connection.close()
            raise
        finally:
            pool.give_back(connection)

    def dial(self) -> RedisConnection:
        """Return an open connection outside the pool: the caller owns it. Raises what redis-py and sockets raise."""
        connection = new_connection(self._settings, self._whereabouts)
        connection.open()
        self._dialled.add(connection)
        return connection

    def move(self) -> None:
        """Leave all connections, those that were dialled too: the next ones lead to where `whereabouts` says now."""
        left, self.pool = self.pool, Pool(self._settings, self._whereabouts)
        left.close()
        for connection in list(self._dialled):
            connection.sever()

    def close(self) -> None:
        """Close all connections. Legal twice."""
        self.pool.close()

    def _retract(
        self,
        connection: RedisConnection,
        pool: Pool,
        commands: Sequence[Command],
        answers: list[Answer],
        refusals: Sequence[int],
    ) -> None:
        """Replace refusals that this node itself can do something about."""
        codes = {at: answer.code for at in refusals if isinstance(answer := answers[at], Refusal)}
        unknown = [at for at, code in codes.items() if code == "NOSCRIPT"]
        if unknown:
            self._load(connection, [commands[at] for at in unknown])
            for at, answer in zip(unknown, _exchange(connection, [commands[at] for at in unknown]), strict=True):
                answers[at] = answer
        if "READONLY" in codes.values():
            connection.close()
            pool.drop_idle()

    def _load(self, connection: RedisConnection, commands: Sequence[Command]) -> None:
        scripts = {command.script for command in commands if command.script is not None}
        for answer in _exchange(connection, [Command(script.load) for script in scripts]):
            if isinstance(answer, Refusal):
                raise refused(self._settings.address, answer)


def _exchange(connection: RedisConnection, commands: Sequence[Command]) -> list[Answer]:
    parts: list[bytes] = []
    size_bytes = 0
    for one in commands:
        parts.append(one.packed)
        size_bytes += len(parts[-1])
        if size_bytes > _SEND_BYTES:  # Redis begins while the rest is packed.
            connection.send(b"".join(parts))
            parts, size_bytes = [], 0
    if parts:
        connection.send(b"".join(parts))
    return [connection.receive() for _ in commands]


def _exchange_asking(connection: RedisConnection, commands: Sequence[Command]) -> list[Answer]:
    answers: list[Answer] = []
    for one in commands:
        connection.send(_ASKING + one.packed)
        connection.receive()
        answers.append(connection.receive())
    return answers
