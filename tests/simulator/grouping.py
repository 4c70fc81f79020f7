"""Does each task of a group become part of one other task, and of no second one?

Contract: books beside those of the observer, kept as dully: one record a set. Who makes sets and who finishes them is a server's affair
(aggregating.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asynq_compat.machine.machine import Machine
from asynq_compat.rules.patience import Patience
from asynq_compat.wire import command as c
from asynq_compat.wire.message import decode_message
from tests.simulator.promises import promise

if TYPE_CHECKING:
    from tests.simulator.observer import Book

SET_LIFETIME_S = 120
# What every simulated server is told.
PATIENCE = Patience(size_max=3, delay_s=20, grace_s=5)


@dataclass(slots=True)
class SetBook:
    """One set in the observer's books; the clock in whole seconds from which on its tasks are their group's again."""

    ids: list[str]
    expires_s: int


@dataclass
class Grouping:
    """The sets that were made.

    Attributes:
        finished_count, given_up_count: Sets that became a task; whose tasks stood in another set later.
    """

    sets: dict[tuple[int, int], SetBook] = field(default_factory=dict)
    finished_count: int = 0
    given_up_count: int = 0
    clock_max_s: int = 0

    def in_live_set(self, book: Book) -> bool:
        """Whether a task stands in a set whose time is not over."""
        found = self.sets.get(book.in_set) if book.in_set is not None else None
        return found is not None and self.clock_max_s < found.expires_s

    def see_sets(
        self,
        machine: Machine,
        books: dict[str, Book],
        position: int,
        command: c.Command,
        outcome: object,
    ) -> None:
        """Sets are made of groups."""
        groups = command[1]
        assert isinstance(groups, list)
        assert isinstance(outcome, list)
        for group, made in zip(groups, outcome, strict=True):
            if made == c.IS_NOT_DUE:
                continue
            name = (made[0], made[1])
            view = machine.aggregation_set(name)
            promise(name[0] == position and view is not None, f"set {name} was made at {position}")
            assert view is not None
            ids = [decode_message(message).id for message in view.messages]
            promise(0 < len(ids) <= PATIENCE.size_max, f"a set has {len(ids)} tasks")
            self._check_time(machine.state.clock_s(), group, ids, books)
            for task_id in ids:
                book = books[task_id]
                is_free = book.group == group and not book.ended_by and book.holder is None
                promise(
                    is_free and not self.in_live_set(book), f"{task_id} stands in two sets, or in none of its group"
                )
                self.given_up_count += book.in_set is not None
                book.in_set = name
            expires_s = machine.state.clock_s() + SET_LIFETIME_S
            promise(view.expires_s == expires_s, f"set {name} is over at {view.expires_s}, not at {expires_s}")
            self.sets[name] = SetBook(ids, expires_s)

    def _check_time(self, now_s: int, group: str, ids: list[str], books: dict[str, Book]) -> None:
        """A group is full, or old, or nothing has come for a while.

        Not known here: since when those wait that an operator moved, and, where the clock was set back, whether a set is over.
        """
        of_group = [
            book for task_id, book in books.items() if book.group == group and (task_id in ids or self._waits(book))
        ]
        steady = [
            book.since_s
            for book in of_group
            if not book.is_out_of_line and (book.in_set is None or book.in_set not in self.sets)
        ]
        is_due = (
            len(ids) >= PATIENCE.size_max
            or min(steady, default=0) <= now_s - PATIENCE.delay_s
            or max(steady, default=0) <= now_s - PATIENCE.grace_s
        )
        promise(is_due or len(steady) < len(of_group), f"a set was made of group {group} before its time")

    def _waits(self, book: Book) -> bool:
        return not book.ended_by and book.holder is None and not self.in_live_set(book)

    def see_end(self, books: dict[str, Book], command: c.Command, outcome: object, end: Callable[[str], None]) -> None:
        """A set is deleted; one task stands for its tasks."""
        name = (int(str(command[1])), int(str(command[2])))
        found = self.sets.get(name)
        if outcome == [c.NO_SUCH_SET]:
            is_over = found is None or self.clock_max_s >= found.expires_s
            promise(is_over, f"set {name} was not found, and its time is not over")
        if outcome != 0:
            return
        promise(found is not None, f"set {name} was finished twice, or never made")
        assert found is not None
        del self.sets[name]
        self.finished_count += 1
        for task_id in found.ids:
            promise(books[task_id].in_set == name, f"{task_id} stands in another set than {name}, which was finished")
            end(task_id)
