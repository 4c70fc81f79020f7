"""Where do tasks wait for each other, and which of them are being made one?

Contract: pure. A group has at least one task that waits, by (second, id). Tasks of a set have left their group until the set is deleted or
its time is over; each remembers its second.
Not obvious: what comes mostly comes last, so that a sorted list takes it in without moving anything; only what returns is put in between.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

# Position of the entry that made the set, and how many it had made before.
SetName = tuple[int, int]


@dataclass(slots=True, eq=False)
class GroupedTask:
    """A task that waits in a group, or that stands in a set.

    Attributes:
        score: Unix second at which it came into the group.
        in_set: The set that it stands in; None while it waits.
    """

    task_id: str
    message: bytes
    group: str
    score: int
    in_set: SetName | None = None


@dataclass(slots=True, eq=False)
class AggregationSet:
    """Tasks that somebody is about to make one of, in order; they return when its time is over.

    Attributes:
        expires_s: Clock in whole seconds at which they do.
    """

    group: str
    expires_s: int
    tasks: list[GroupedTask]


@dataclass(slots=True, eq=False)
class Groups:
    """All groups of a queue.

    Attributes:
        name_of: Id -> group of each task that belongs to one, in whatever state it is.
        lines: Group -> (second, id) of the tasks that wait in it, sorted; no group without one.
        tasks: The tasks that wait, by id.
        sets: By name, in the order in which they were made.
    """

    name_of: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    tasks: dict[str, GroupedTask] = field(default_factory=dict)
    sets: dict[SetName, AggregationSet] = field(default_factory=dict)

    def add(self, task: GroupedTask) -> None:
        """Let a task wait in its group."""
        task.in_set = None
        self.tasks[task.task_id] = task
        line = self.lines.get(task.group)
        if line is None:
            line = self.lines[task.group] = []
        insort(line, (task.score, task.task_id))

    def discard(self, task: GroupedTask) -> None:
        """Take a task that waits out of its group; a group that it leaves empty is gone."""
        line = self.lines[task.group]
        del line[bisect_left(line, (task.score, task.task_id))]
        del self.tasks[task.task_id]
        if not line:
            del self.lines[task.group]

    def take(self, group: str, count: int) -> list[GroupedTask]:
        """Take the first `count` tasks out of a group that has as many."""
        if not count:
            return []
        line = self.lines[group]
        taken = [self.tasks.pop(task_id) for _, task_id in line[:count]]
        del line[:count]
        if not line:
            del self.lines[group]
        return taken

    def waiting(self, group: str) -> Iterator[GroupedTask]:
        """Give the tasks that wait in a group, the first to come first."""
        return (self.tasks[task_id] for _, task_id in self.lines.get(group, ()))

    def sizes(self) -> list[tuple[str, int]]:
        """Return the groups and how many tasks wait in each, by name."""
        return [(name, len(line)) for name, line in sorted(self.lines.items())]

    def first_expiry_s(self) -> int | None:
        """Return when the time of the next set is over: of the first, since all are given the same time."""
        return next((one.expires_s for one in self.sets.values()), None)

    def expired(self, now_s: int) -> list[SetName]:
        """Return the sets whose time is over at `now_s`."""
        return [name for name, _ in takewhile(lambda one: one[1].expires_s <= now_s, self.sets.items())]

    def forget(self, ids: Iterable[str]) -> None:
        """Know no longer to which group these tasks belong."""
        for task_id in ids:
            self.name_of.pop(task_id, None)
