"""Which part of a list does an operator want to see?

Contract: values and pure functions.
Not obvious: pages count from 1. As in Go, ``PageSize(0)`` gives everything and ``Page(0)`` the last page.
"""

from __future__ import annotations

from dataclasses import dataclass

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.rules.limits import shown

_PAGE_SIZE = 30
# No list is longer. Brokers count with what they have: Redis with doubles.
_LIST_LENGTH_MAX = 2**31


@suggesting_fields
@dataclass(frozen=True, slots=True)
class PageSize:
    """How many tasks a page has; 30 unless said otherwise, 0 for all, a negative number means 0."""

    value: int


@suggesting_fields
@dataclass(frozen=True, slots=True)
class Page:
    """Which page: 1 is the first, 0 the last; a negative number means 1."""

    value: int


ListOption = PageSize | Page


def paging(options: tuple[ListOption, ...], page_size: int | None, page: int | None) -> tuple[int, int]:
    """Return the size of a page and its number, both as Go understands them."""
    size, number = _PAGE_SIZE, 1
    for option in options:
        match option:
            case PageSize(value):
                size = value
            case Page(value):
                number = value
            case _:
                raise InvalidArgumentError(
                    f"{shown(option)} is no list option; use PageSize(n), Page(n), page_size= or page="
                )
    size = size if page_size is None else page_size
    number = number if page is None else page
    _check_integer("page_size", size)
    _check_integer("page", number)
    return min(max(size, 0), _LIST_LENGTH_MAX), min(number, _LIST_LENGTH_MAX) if number >= 0 else 1


def page_extent(size: int, number: int) -> tuple[int, int]:
    """Return where a page, counted from 1, starts and how long it is."""
    return min((number - 1) * size, _LIST_LENGTH_MAX), size


def _check_integer(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgumentError(f"{name} must be an integer, got {shown(value)}; for example {name}=2")
