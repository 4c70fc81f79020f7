"""Is the place where journals stand as it should be?

Contract: values, and what a store has that can say so; looking changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How one thing about a place is.

    Attributes:
        check: What was looked at, a word that does not change.
        is_fine, is_grave: Not fine: somebody should act; grave: tasks can be lost or stuck.
        text: How it is, and what to do.
    """

    check: str
    text: str
    is_fine: bool = True
    is_grave: bool = False


@runtime_checkable
class Examinable(Protocol):
    """A store that can say how its place is. Of memory there is nothing to say."""

    def examine(self) -> Sequence[Condition]:
        """Look.

        Raises:
            BrokerUnavailableError: It does not answer.
        """
