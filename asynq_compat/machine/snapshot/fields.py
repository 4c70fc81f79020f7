"""Is an item of a section what it has to be?

Contract: pure. Each function returns the item with its type known, or raises `CorruptDataError`.
"""

from __future__ import annotations

from asynq_compat.errors import CorruptDataError
from asynq_compat.machine.step import is_bytes_column, is_text_column


def corrupt(what: str) -> CorruptDataError:
    """Return the error that says what is wrong with a snapshot."""
    return CorruptDataError(f"a snapshot makes no sense: {what}")


def integer(item: object) -> int:
    """Return an integer."""
    if type(item) is not int:
        raise corrupt(f"{type(item).__name__} where an integer belongs")
    return item


def integer_or_none(item: object) -> int | None:
    """Return an integer or None."""
    return None if item is None else integer(item)


def count(item: object) -> int:
    """Return an integer that is not negative."""
    number = integer(item)
    if number < 0:
        raise corrupt("a count below zero")
    return number


def flag(item: object) -> bool:
    """Return a boolean."""
    if type(item) is not bool:
        raise corrupt(f"{type(item).__name__} where a boolean belongs")
    return item


def text(item: object) -> str:
    """Return text."""
    if type(item) is not str:
        raise corrupt(f"{type(item).__name__} where text belongs")
    return item


def blob(item: object) -> bytes:
    """Return bytes."""
    if type(item) is not bytes:
        raise corrupt(f"{type(item).__name__} where bytes belong")
    return item


def array(item: object, length: int | None = None) -> list[object]:
    """Return a list, of `length` items if that is given."""
    if type(item) is not list or (length is not None and len(item) != length):
        raise corrupt(f"{type(item).__name__} where an array of {'some' if length is None else length} items belongs")
    return item


def rows(body: list[object], length: int) -> list[list[object]]:
    """Return the rows of a section that holds nothing else, each of `length` items."""
    return [array(row, length) for row in array(array(body, 2)[1])]


def integers(item: object, length: int) -> list[int]:
    """Return a list of so many integers."""
    column = array(item, length)
    if not set(map(type, column)) <= {int}:
        raise corrupt("a column of integers holds something else")
    return [integer(number) for number in column]


def task_ids(item: object) -> list[str]:
    """Return a column of at least one task id."""
    if not is_text_column(item) or not item:
        raise corrupt("a column of task ids is empty or holds something else")
    return item


def messages(item: object, length: int) -> list[bytes]:
    """Return a column of so many messages."""
    if not is_bytes_column(item) or len(item) != length:
        raise corrupt("a column of messages has another length or holds something else")
    return item
