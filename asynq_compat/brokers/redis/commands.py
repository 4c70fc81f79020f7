"""How does a command look on the wire to Redis, and what comes back?

Contract: pure. A command is packed once and may be sent again as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from asynq_compat.wire.hot_record import hot_record

Reply: TypeAlias = "int | bytes | list[Reply] | None"


class Loadable(Protocol):
    """A script that a command runs: its name, and the command that makes Redis know it, packed."""

    name: str
    load: bytes


class Command:
    """One command; `script` is what it runs, to be loaded when Redis does not know it.

    A large one may be given as a function that packs it: then it is packed when it is sent, while Redis works on the one before.
    """

    __slots__ = ("_packed", "script")

    def __init__(self, packed: bytes | Callable[[], bytes], script: Loadable | None = None) -> None:
        self._packed = packed
        self.script = script

    @property
    def packed(self) -> bytes:
        """The bytes to send; packed once."""
        if not isinstance(self._packed, bytes):
            self._packed = self._packed()
        return self._packed


@hot_record
class Refusal:
    """An error reply: its code ("READONLY", "ERR") and its text."""

    code: str
    text: str


Answer: TypeAlias = "Reply | Refusal"


def pack(parts: Sequence[bytes]) -> bytes:
    """Return `parts` as an array of bulk strings."""
    packed = [b"*%d\r\n" % len(parts)]
    packed += [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"".join(packed)


def command(*parts: bytes | int) -> Command:
    """Return a plain command."""
    return Command(pack([b"%d" % part if isinstance(part, int) else part for part in parts]))


def as_int(answer: Reply) -> int:
    """Return an integer reply."""
    assert isinstance(answer, int), answer
    return answer


def as_list(answer: Reply) -> list[Reply]:
    """Return an array reply."""
    assert isinstance(answer, list), answer
    return answer


def as_bytes(answer: Reply) -> bytes:
    """Return a bulk reply."""
    assert isinstance(answer, bytes), answer
    return answer
