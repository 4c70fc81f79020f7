"""Where do tasks stay that ended well and are kept for a while?

Contract: pure. `KeptTasks` answers in the order (second, id), whatever the order in which they came.
Not obvious: no record and no heap entry per task: what ended in one second and goes in one second lies on one `Shelf`. A message is written
anew, with the time of the task's end in it, only when somebody looks at it: of most tasks nobody does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from operator import itemgetter

from asynq_compat.machine.amending import amended


@dataclass(slots=True, eq=False)
class Shelf:
    """Completed tasks that go in the same second.

    Attributes:
        until_s: That second.
        completed_at: When they ended, where their messages do not say so yet; else None.
        messages: By id.
    """

    until_s: int
    completed_at: int | None
    messages: dict[str, bytes] = field(default_factory=dict)

    def message(self, task_id: str) -> bytes:
        """Return the message of a task as it is since the task has ended."""
        message = self.messages[task_id]
        return message if self.completed_at is None else amended(message, completed_at=self.completed_at)


@dataclass(slots=True, eq=False)
class KeptTasks:
    """Completed tasks by (second in which they go, id)."""

    count: int = 0
    # second -> when its tasks ended -> the tasks.
    shelves: dict[int, dict[int | None, Shelf]] = field(default_factory=dict)
    seconds: list[int] = field(default_factory=list)  # Those of `shelves`, a heap.

    def shelf(self, until_s: int, completed_at: int | None) -> Shelf:
        """Return the shelf for such tasks."""
        of_second = self.shelves.get(until_s)
        if of_second is None:
            of_second = self.shelves[until_s] = {}
            heappush(self.seconds, until_s)
        found = of_second.get(completed_at)
        if found is None:
            found = of_second[completed_at] = Shelf(until_s, completed_at)
        return found

    def add(self, shelf: Shelf, ids: list[str], messages: list[bytes]) -> None:
        """Put tasks on a shelf of this container."""
        shelf.messages.update(zip(ids, messages, strict=True))
        self.count += len(ids)

    def take(self, shelf: Shelf, task_id: str) -> bytes:
        """Remove a task; return its message."""
        message = shelf.message(task_id)
        del shelf.messages[task_id]
        self.count -= 1
        return message

    def first_s(self) -> int | None:
        """Return the second in which the next one goes."""
        while self.seconds and not any(shelf.messages for shelf in self.shelves[self.seconds[0]].values()):
            del self.shelves[heappop(self.seconds)]
        return self.seconds[0] if self.seconds else None

    def pop_until(self, second: int) -> list[str]:
        """Remove what goes in this second or before; return the ids."""
        ids: list[str] = []
        while self.seconds and self.seconds[0] <= second:
            for shelf in self.shelves.pop(heappop(self.seconds)).values():
                ids += shelf.messages
        self.count -= len(ids)
        return ids

    def in_order(self) -> Iterator[tuple[Shelf, str]]:
        """Give all, in order."""
        for second in sorted(self.shelves):
            of_second = self.shelves[second].values()
            yield from sorted(_places(of_second), key=itemgetter(1))

    def places(self) -> Iterator[tuple[Shelf, str]]:
        """Give all, in whatever order they came."""
        for of_second in self.shelves.values():
            yield from _places(of_second.values())


def _places(shelves: Iterable[Shelf]) -> Iterator[tuple[Shelf, str]]:
    return ((shelf, task_id) for shelf in shelves for task_id in shelf.messages)
