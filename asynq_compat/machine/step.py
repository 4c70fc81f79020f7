"""What does a command need to know besides the state?

Contract: one `Step` per entry. It names the entry and collects what the entry says to the outside. The checks below tell what an item
of a command is; nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeGuard

from asynq_compat.machine.applied import Marker, Outcome, Reply
from asynq_compat.machine.state import Session, State
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import ITEM_COUNT_MAX

INT_MAX = 2**63 - 1


@dataclass(slots=True, eq=False)
class Step:
    """One entry being applied.

    Attributes:
        writer_id: Of its frame; empty for what is no frame.
        names_session: Whether a SESSION or OPEN came before in this frame.
        session: The session it named; None when that has ended.
        has_opened: Whether an OPEN came before.
        asks: Whether its frame asks for a reply.
        ended, notes, replies, marker: See `Applied`.
    """

    position: int
    writer_id: bytes = b""
    names_session: bool = False
    session: Session | None = None
    has_opened: bool = False
    asks: bool = False
    ended: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    marker: Marker | None = None


# A transition: changes the state and gives the outcome, or None when the command is malformed and nothing has changed.
Transition = Callable[[State, Step, Command], Outcome | None]


def is_int(item: object) -> TypeGuard[int]:
    """Return whether `item` is a signed integer of 64 bits (no boolean)."""
    return type(item) is int and -INT_MAX - 1 <= item <= INT_MAX


def is_text_column(item: object) -> TypeGuard[list[str]]:
    """Return whether `item` is a list of non-empty text."""
    if type(item) is not list or len(item) > ITEM_COUNT_MAX:
        return False
    return set(map(type, item)) <= {str} and "" not in item


def is_bytes_column(item: object) -> TypeGuard[list[bytes]]:
    """Return whether `item` is a list of bytes."""
    return type(item) is list and len(item) <= ITEM_COUNT_MAX and set(map(type, item)) <= {bytes}


def item_list(command: Command) -> list[object] | None:
    """Return the items of a command that has nothing but one list; None when it is not that."""
    if len(command) != 2:
        return None
    items = command[1]
    return items if type(items) is list and len(items) <= ITEM_COUNT_MAX else None


def range_of(item: object) -> tuple[int, int, int] | None:
    """Return position, lo, hi of a range with at least one task."""
    if type(item) is not list or len(item) != 3:
        return None
    position, lo, hi = item
    if is_int(position) and is_int(lo) and is_int(hi) and 0 <= lo < hi:
        return position, lo, hi
    return None


def summary(codes: list[int | list[int]]) -> Outcome:
    """Return 0 when all went well, else the codes."""
    return codes if any(codes) else 0
