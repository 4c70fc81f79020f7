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
from asynq_compat.inspector import Inspector
from asynq_compat.ports.inspecting import QueueInfo
from asynq_compat.task import TaskInfo

_PAGE_SIZE = 30


@dataclass(frozen=True, slots=True)
class Page:
    """What a queue looked like: its counts, and one page of its tasks."""

    info: QueueInfo
    state: str
    number: int
    tasks: Sequence[TaskInfo]


class QueueScreen(LiveScreen[Page]):
    """One queue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "state(-1)", "state", priority=True),
        Binding("right,l", "state(1)", "state", priority=True, show=False),
        Binding("n", "page(1)", "next page"),
        Binding("p", "page(-1)", "page before"),
    ]

    def __init__(self, inspector: Inspector, refresh_s: float, queue: str) -> None:
        super().__init__(inspector, refresh_s)
        self._queue = queue
        self._state = next(iter(COLUMNS))
        self._number = 1
        self._is_last = True

    def ask(self) -> Page:
        """Ask for the counts and the page."""
        state, number = self._state, self._number
        info = self.inspector.get_queue_info(self._queue)
        return Page(info, state, number, listed(self.inspector, self._queue, state, number, _PAGE_SIZE))

    def show(self, answer: Page) -> None:
        """Show the states' counts, and the tasks."""
        info = answer.info
        self._is_last = answer.number * _PAGE_SIZE >= getattr(info, answer.state)
        counts = "  ".join(
            f"[{state} {getattr(info, state)}]" if state == answer.state else f" {state} {getattr(info, state)} "
            for state in STATES
        )
        paused = ", paused" if info.paused else ""
        self.head(f"queue {info.queue}{paused}: {info.size} tasks\n{counts}\npage {answer.number}")
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
        """Open the task."""
        if event.row_key.value is not None:
            self.app.push_screen(TaskScreen(self.inspector, self.refresh_s, self._queue, event.row_key.value))
