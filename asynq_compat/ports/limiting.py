"""How many tasks of all servers together may do the same thing at a time?

Contract: a counting semaphore by name (scope). A token is held by a task, up to a second behind its deadline. Names are not those of queues.
Not obvious: whoever asks says how many tokens there are; nothing else remembers it.
"""

from __future__ import annotations

from typing import Protocol


class Limiting(Protocol):
    """What a semaphore asks of a broker. Thread-safe."""

    def acquire(self, scope: str, max_tokens: int, task_id: str, deadline_s: int) -> bool:
        """Let the task hold a token of the scope; False when `max_tokens` are held. Never waits for one.

        A task that holds one already needs a free place too, and then holds the one, up to the new deadline.

        Args:
            scope: Name of the semaphore, not blank.
            max_tokens: How many there are, 1 to 1 000 000.
            task_id: Who holds it.
            deadline_s: Until when at the latest, Unix seconds; it counts for one second more.

        Raises:
            BrokerUnavailableError: The broker does not answer; the token may be held up to its deadline.
        """

    def release(self, scope: str, task_id: str) -> bool:
        """Give the task's token back; False when it holds none.

        Raises:
            BrokerUnavailableError: The broker does not answer; the token may be held up to its deadline.
        """
