"""What is the live view made of?

Contract: questions to the broker are asked in a thread, one at a time for each screen; a screen shows the newest answer. What fails is shown in
the last line and asked again at the next refresh.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from asynq_compat.cli.dash.queues import QueuesScreen
from asynq_compat.inspector import Inspector


class Dash(App[None]):
    """The application.

    Args:
        inspector: Whom it asks.
        refresh_s: How often.
    """

    TITLE = "asynq-compat"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "quit", show=False, priority=True)]

    def __init__(self, inspector: Inspector, refresh_s: float) -> None:
        super().__init__()
        self.inspector = inspector
        self.refresh_s = refresh_s

    def on_mount(self) -> None:
        """Begin with all queues."""
        self.push_screen(QueuesScreen(self.inspector, self.refresh_s))
