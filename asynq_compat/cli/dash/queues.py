"""Which queues are there, and how long is each?"""

from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import DataTable

from asynq_compat.cli.dash.queue import QueueScreen
from asynq_compat.cli.dash.screen import LiveScreen
from asynq_compat.cli.views import STATES, error_rate, size_text, whole_seconds
from asynq_compat.errors import QueueNotFoundError
from asynq_compat.ports.inspecting import QueueInfo

COLUMNS = ("Queue", "State", "Size", "Latency", "MemoryUsage", "Processed", "Failed", "ErrorRate")
_BAR_CELLS = 40
# One letter for each state in a queue's bar, in the order of STATES.
_LETTERS = dict(zip(STATES, "apgsrAc", strict=True))


class QueuesScreen(LiveScreen[Sequence[QueueInfo]]):
    """All queues: a bar and a row for each."""

    def ask(self) -> Sequence[QueueInfo]:
        """Ask for each queue's counts."""
        infos = []
        for name in sorted(self.inspector.queues()):
            try:
                infos.append(self.inspector.get_queue_info(name))
            except QueueNotFoundError:
                continue  # It was removed meanwhile.
        return infos

    def show(self, answer: Sequence[QueueInfo]) -> None:
        """Show bars and table."""
        self.head(bars(answer))
        self.fill(COLUMNS, [(info.queue, _row(info)) for info in answer])

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open the queue."""
        if event.row_key.value is not None:
            self.app.push_screen(QueueScreen(self.inspector, self.refresh_s, event.row_key.value))


def _row(info: QueueInfo) -> Sequence[str]:
    return (
        info.queue,
        "paused" if info.paused else "run",
        str(info.size),
        whole_seconds(info.latency),
        size_text(info.memory_usage),
        str(info.processed),
        str(info.failed),
        error_rate(info.processed, info.failed),
    )


def bars(infos: Sequence[QueueInfo]) -> str:
    """Return a bar for each queue, as long as it is beside the longest, with a letter for each task's state."""
    if not infos:
        return "no queues"
    longest = max(1, *(info.size for info in infos))
    width = max(len(info.queue) for info in infos)
    legend = "  ".join(f"{letter} {state}" for state, letter in _LETTERS.items())
    return "\n".join([*(f"{info.queue:<{width}}  {_bar(info, longest)} {info.size}" for info in infos), "", legend])


def _bar(info: QueueInfo, longest: int) -> str:
    """Return a bar; what is there at all has one letter."""
    cells = [
        letter * max(round(count * _BAR_CELLS / longest), 1)
        for state, letter in _LETTERS.items()
        if (count := getattr(info, state))
    ]
    return "".join(cells)
