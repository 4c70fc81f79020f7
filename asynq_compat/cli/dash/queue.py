"""Which tasks has a queue, state by state, page by page?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from asynq_compat.cli.dash.screen import LiveScreen
from asynq_compat.cli.dash.task import TaskScreen
from asynq_compat.cli.listing import COLUMNS, listed
from asynq_compat.cli.views import STATES, bytes_text
from asynq_compat.infos import GroupInfo
from asynq_compat.inspector import Inspector
from asynq_compat.ports.inspecting import QueueInfo
from asynq_compat.task import TaskInfo

_PAGE_SIZE = 30
_AGGREGATING = "aggregating"


@dataclass(frozen=True, slots=True)
class Page:
    """What a queue looked like: its counts, and one page of its tasks, or of its groups."""

    info: QueueInfo
    state: str
    number: int
    tasks: Sequence[TaskInfo]
    groups: Sequence[GroupInfo] | None = None


class QueueScreen(LiveScreen[Page]):
    """One queue; with a group the tasks that wait in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "state(-1)", "state", priority=True),
        Binding("right,l", "state(1)", "state", priority=True, show=False),
        Binding("n", "page(1)", "next page"),
        Binding("p", "page(-1)", "page before"),
    ]

    def __init__(self, inspector: Inspector, refresh_s: float, queue: str, group: str | None = None) -> None:
        super().__init__(inspector, refresh_s)
        self._queue = queue
        self._group = group
        self._state = next(iter(COLUMNS)) if group is None else _AGGREGATING
        self._number = 1
        self._is_last = True
        self._shows_groups = False  # What stands there, not what was asked for since.

    def ask(self) -> Page:
        """Ask for the counts and the page."""
        state, number = self._state, self._number
        info = self.inspector.get_queue_info(self._queue)
        if state == _AGGREGATING and self._group is None:
            groups = sorted(self.inspector.groups(self._queue), key=lambda one: one.group)
            return Page(info, state, number, (), groups[(number - 1) * _PAGE_SIZE :])
        tasks = listed(self.inspector, self._queue, state, number, _PAGE_SIZE, group=self._group)
        return Page(info, state, number, tasks)

    def show(self, answer: Page) -> None:
        """Show the states' counts, and the tasks, or the groups."""
        info = answer.info
        counts = "  ".join(
            f"[{state} {getattr(info, state)}]" if state == answer.state else f" {state} {getattr(info, state)} "
            for state in STATES
        )
        paused = ", paused" if info.paused else ""
        group = f", group {self._group}" if self._group is not None else ""
        self.head(f"queue {info.queue}{paused}{group}: {info.size} tasks\n{counts}\npage {answer.number}")
        self._shows_groups = answer.groups is not None
        if answer.groups is not None:
            self._is_last = len(answer.groups) <= _PAGE_SIZE
            self.fill(
                ("Group", "Size"), [(one.group, (one.group, str(one.size))) for one in answer.groups[:_PAGE_SIZE]]
            )
            return
        there = getattr(info, answer.state) if self._group is None else answer.number * _PAGE_SIZE + len(answer.tasks)
        self._is_last = len(answer.tasks) < _PAGE_SIZE or answer.number * _PAGE_SIZE >= there
        now = datetime.now(UTC)
        columns = COLUMNS[answer.state]
        self.fill(
            ("ID", "Type", "Payload", *(heading for heading, _ in columns)),
            [
                (task.id, (task.id, task.type, bytes_text(task.payload), *(cell(task, now) for _, cell in columns)))
                for task in answer.tasks
            ],
        )

    def action_state(self, step: int) -> None:
        """Look at the tasks in the next state, or the one before."""
        if self._group is not None:
            return
        states = list(COLUMNS)
        self._state = states[(states.index(self._state) + step) % len(states)]
        self._number = 1
        self.action_look()

    def action_page(self, step: int) -> None:
        """Turn the page."""
        if step < 0 < self._number - 1 or (step > 0 and not self._is_last):
            self._number += step
            self.action_look()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open the task, or the group."""
        name = event.row_key.value
        if name is None:
            return
        if self._shows_groups:
            self.app.push_screen(QueueScreen(self.inspector, self.refresh_s, self._queue, name))
        else:
            self.app.push_screen(TaskScreen(self.inspector, self.refresh_s, self._queue, name))
