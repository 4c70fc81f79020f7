"""How is one node of a Redis asked by itself?

Contract: a connection of its own, closed by its user: ``with NodeTalk(...) as node:``. Of a cluster it is the node that has a key; otherwise there is
only one. What the user may not ask gives None.
"""

from __future__ import annotations

from typing import Self

from asynq_compat.brokers.redis.commands import Refusal, Reply, as_bytes, as_list, command
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.node import FAILURES
from asynq_compat.rules.clock import Clock


class NodeTalk:
    """A conversation with the node that has `key`.

    Raises:
        BrokerUnavailableError: It cannot be reached.
    """

    def __init__(self, link: Link, key: bytes) -> None:
        self._link = link
        self._connection = link.dedicated(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, *parts: bytes | int) -> Reply:
        """Return the answer to one command; None where the user has no right to it.

        Raises:
            AsynqError: There is no answer, or it is refused for another reason.
        """
        try:
            self._connection.send(command(*parts).packed)
            answer = self._connection.receive()
        except FAILURES as error:
            raise self._link.outage(error, was_sent=True) from error
        if isinstance(answer, Refusal) and answer.code == "NOPERM":
            return None
        return self._link.accept(answer)

    def time_s(self) -> float | None:
        """Return the node's time, Unix seconds; None where the user may not ask."""
        told = self.ask(b"TIME")
        if told is None:
            return None
        seconds, microseconds = (int(as_bytes(part)) for part in as_list(told))
        return seconds + microseconds / 1e6

    def facts(self) -> dict[str, str]:
        """Return the fields of INFO; empty where the user may not ask."""
        info = self.ask(b"INFO")
        return facts_of(info.decode(errors="replace")) if isinstance(info, bytes) else {}


def now_s(link: Link, key: bytes, clock: Clock) -> int:
    """Return the time of the node that has `key`, Unix seconds; this machine's where the user may not ask."""
    with NodeTalk(link, key) as node:
        told_s = node.time_s()
    return clock.now_ns() // 1_000_000_000 if told_s is None else int(told_s)


def facts_of(info: str) -> dict[str, str]:
    """Return the fields of an answer to INFO."""
    lines = (line.partition(":") for line in info.splitlines() if not line.startswith("#"))
    return {name: value.strip() for name, separator, value in lines if separator}
