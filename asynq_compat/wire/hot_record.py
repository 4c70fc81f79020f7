"""What are records made of that are built once per task?

Contract: `hot_record` marks a class as an immutable value for the type checker and builds it at the price of a plain slotted
dataclass (a frozen one costs about six times as much to construct).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def hot_record(cls: type[_T]) -> type[_T]:
    """Make `cls` a slotted dataclass that is frozen to the type checker and plain at run time."""
    return dataclass(slots=True)(cls)
