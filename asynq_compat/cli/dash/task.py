"""What is known about one task?"""

from __future__ import annotations

from datetime import UTC, datetime

from asynq_compat.cli.dash.screen import LiveScreen
from asynq_compat.cli.listing import described
from asynq_compat.inspector import Inspector
from asynq_compat.task import TaskInfo


class TaskScreen(LiveScreen[TaskInfo]):
    """One task."""

    def __init__(self, inspector: Inspector, refresh_s: float, queue: str, task_id: str) -> None:
        super().__init__(inspector, refresh_s)
        self._queue = queue
        self._task_id = task_id

    def ask(self) -> TaskInfo:
        """Ask for the task."""
        return self.inspector.get_task_info(self._queue, self._task_id)

    def show(self, answer: TaskInfo) -> None:
        """Show its fields."""
        self.head(f"task {answer.id}")
        self.fill(("", ""), [(name, (name, text)) for name, text in described(answer, datetime.now(UTC))])
