"""Which states can a task be in?

Source: asynq v0.26.0 `TaskState`; the values are Go's integers, the text is what stands in a task hash's `state`.
"""

from __future__ import annotations

from enum import IntEnum


class TaskState(IntEnum):
    """State of a task. ``str(state)`` is Go's lower-case word, ``TaskState.parse("retry")`` the way back."""

    ACTIVE = 1
    PENDING = 2
    SCHEDULED = 3
    RETRY = 4
    ARCHIVED = 5
    COMPLETED = 6
    AGGREGATING = 7

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> TaskState:
        """Return the state named by Go's lower-case `word`.

        Raises:
            ValueError: No state has this name.
        """
        try:
            return cls[word.upper()] if word == word.lower() else cls[word]
        except KeyError:
            raise ValueError(f"{word!r} is not a task state; use one of {', '.join(map(str, cls))}") from None
