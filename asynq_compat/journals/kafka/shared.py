"""How do many who ask at once cost one question?

Contract: thread-safe. An answer was asked for after each of its askers had come, so it is as new as one's own. What fails for several
together is asked once more for each alone, so that nobody hears of another's failure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from asynq_compat.errors import AsynqError

_K = TypeVar("_K", bound=Hashable)
_A = TypeVar("_A")


class _Round(Generic[_K, _A]):
    """One question and who waits for its answer."""

    def __init__(self) -> None:
        self.keys: list[_K] = []  # One for each asker.
        self.is_over = threading.Event()
        self.answer: Mapping[_K, _A] = {}


class Shared(Generic[_K, _A]):
    """A question that can be asked about several at once.

    Args:
        ask: Asks it; returns an answer for each.
    """

    def __init__(self, ask: Callable[[Sequence[_K]], Mapping[_K, _A]]) -> None:
        self._ask = ask
        self._asking = threading.Lock()  # Held by who asks.
        self._lock = threading.Lock()  # Guards the next one.
        self._next: _Round[_K, _A] | None = None  # Not asked yet.

    def ask(self, key: _K) -> _A:
        """Return the answer about one; raises as the question does."""
        with self._lock:
            mine = self._next = self._next or _Round()
            mine.keys.append(key)
            is_first = len(mine.keys) == 1
        if is_first:
            self._put(mine)
        else:
            mine.is_over.wait()
        if key in mine.answer:
            return mine.answer[key]
        return self._ask([key])[key]

    def _put(self, mine: _Round[_K, _A]) -> None:
        with self._asking:
            with self._lock:
                self._next = None  # Who comes from here on may have come too late for this answer.
            try:
                mine.answer = self._ask(list(dict.fromkeys(mine.keys)))
            except AsynqError:
                if len(mine.keys) == 1:
                    raise
            finally:
                mine.is_over.set()
