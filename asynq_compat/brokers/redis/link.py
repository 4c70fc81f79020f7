"""How does a request reach Redis, and what happens when the connection breaks?

Contract: thread-safe; one round trip for any number of commands. A broken connection, a read timeout and replies that pass (LOADING,
READONLY, ...) are tried again up to three times with a back-off of 8 to 512 ms, as go-redis does, but not once the dial timeout is over.
With sentinels they are tried again until it is over: a new master takes seconds to be chosen. Errors are ours.
Not obvious: a request sent again after its answer was lost may happen twice; `Exchange.resent` tells the caller which.
Source: docs/semantics.md, "connection options", trap P13.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from asynq_compat.brokers.redis.commands import Answer, Command, Refusal, Reply
from asynq_compat.brokers.redis.connection import RedisConnection, Whereabouts
from asynq_compat.brokers.redis.node import FAILURES, Node
from asynq_compat.brokers.redis.refusals import PASSING, direct_cause, is_passing, refused, unavailable
from asynq_compat.brokers.redis.settings import RedisSettings
from asynq_compat.errors import AsynqError
from asynq_compat.wire.hot_record import hot_record

_RETRIES_MAX = 3
_BACKOFF_MIN_S, _BACKOFF_MAX_S = 0.008, 0.512


@hot_record
class Exchange:
    """What came back: one answer per command, same order, and the indexes of those commands that may have run twice."""

    answers: list[Answer]
    resent: set[int]


class Link(ABC):
    """The way to one Redis, whatever it consists of."""

    def __init__(self, settings: RedisSettings) -> None:
        self.address = settings.address
        self.settings = settings
        self.is_closed = threading.Event()

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

    @abstractmethod
    def run(self, commands: Sequence[Command]) -> Exchange:
        """Send `commands` in one round trip and return one answer each, same order; refusals are answers.

        Raises:
            AsynqError: No answers; `may_have_happened` when the commands may have run.
        """

    @abstractmethod
    def dedicated(self, key: bytes = b"") -> RedisConnection:
        """Return an open connection outside the pool: the caller owns it.

        Args:
            key: It is to lead where this key is; empty: anywhere.

        Raises:
            AsynqError: It cannot be opened.
        """

    @abstractmethod
    def heed(self, refusal: Refusal) -> None:
        """Take note of what a dedicated connection was answered: its key may have gone elsewhere."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections. Legal twice."""

    def outage(self, error: Exception, *, was_sent: bool) -> AsynqError:
        """Return the error that stands for `error` of redis-py or a socket."""
        return unavailable(
            self.address,
            error,
            was_sent=was_sent,
            dial_timeout_s=self.settings.dial_timeout_s,
            read_timeout_s=self.settings.read_timeout_s,
        )


class ServerLink(Link):
    """The way to one server.

    Args:
        settings: Where it is, and how it is talked to.
        whereabouts: Says where it is now, where that changes; None: where the settings say.
    """

    def __init__(self, settings: RedisSettings, whereabouts: Whereabouts | None = None) -> None:
        super().__init__(settings)
        self.node = Node(settings, whereabouts)
        self._retries_max = sys.maxsize if whereabouts else _RETRIES_MAX

    def run(self, commands: Sequence[Command]) -> Exchange:
        """Send `commands`; see `Link`."""
        answers: list[Answer] = [None] * len(commands)
        open_indexes = list(range(len(commands)))
        give_up_at = time.monotonic() + self.settings.dial_timeout_s
        attempt, resent = 0, set[int]()
        while True:
            failure = self.node.attempt([commands[index] for index in open_indexes])
            if isinstance(failure, list):
                for index, answer in zip(open_indexes, failure, strict=True):
                    answers[index] = answer
                open_indexes = [index for index in open_indexes if is_open(answers[index])]
                if not open_indexes or attempt == self._retries_max or time.monotonic() > give_up_at:
                    return Exchange(answers, resent)
            else:
                resent.update(open_indexes if failure.was_sent else ())
                can_pass = is_passing(failure.error) and attempt < self._retries_max and time.monotonic() < give_up_at
                if not can_pass or failure.has_dialled_too_long or self.is_closed.is_set():
                    outage = self.outage(failure.error, was_sent=bool(resent))
                    raise outage from direct_cause(failure.error)
            self.is_closed.wait(backoff_s(attempt))
            attempt += 1

    def dedicated(self, key: bytes = b"") -> RedisConnection:  # noqa: ARG002 - all keys are there
        """Return an open connection outside the pool; see `Link`."""
        try:
            return self.node.dial()
        except FAILURES as error:
            outage = self.outage(error, was_sent=False)
            raise outage from direct_cause(error)

    def heed(self, refusal: Refusal) -> None:
        """Do nothing: there is no elsewhere."""

    def close(self) -> None:
        """Close all connections. Legal twice."""
        self.is_closed.set()
        self.node.close()


def is_open(answer: Answer) -> bool:
    """Return True for a refusal that may soon be none."""
    return isinstance(answer, Refusal) and answer.code in PASSING


def backoff_s(attempt: int) -> float:
    """Return how long to wait after this many failures."""
    step_s: float = _BACKOFF_MIN_S * 2 ** min(attempt, 16)
    return min(_BACKOFF_MIN_S + random.random() * step_s, _BACKOFF_MAX_S)
