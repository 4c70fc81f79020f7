"""What do all screens of the live view have in common: keys, a table, a refresh, a last line for what fails?

Contract: `ask` runs in a thread and asks the broker; `show` runs in the application's and shows what was answered. Questions of a screen follow
each other; an answer that was overtaken by a later question is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from asynq_compat.errors import AsynqError
from asynq_compat.inspector import Inspector

_A = TypeVar("_A")

KEYS = """\
arrows, hjkl   move; left and right (h, l) choose the state in a queue
Enter          open the queue, group or task
n, p           next page, page before
Ctrl+L         look again at once
Esc, q         back; on the first screen: quit
Ctrl+C         quit
?              this help"""


class HelpScreen(Screen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "app.pop_screen", "back")]

    def compose(self) -> ComposeResult:
        """Return what it shows."""
        yield Static(KEYS, id="help", markup=False)
        yield Footer()


class LiveScreen(Screen[None], Generic[_A]):
    """A screen over what the broker answers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "down", show=False),
        Binding("k", "move(-1)", "up", show=False),
        Binding("ctrl+l", "look", "refresh"),
        Binding("question_mark", "help", "help"),
        Binding("escape,q", "back", "back"),
    ]
    DEFAULT_CSS = """
    LiveScreen #head { height: auto; padding: 0 1 1 1; }
    LiveScreen #failure { height: auto; color: $error; padding: 0 1; }
    LiveScreen DataTable { height: 1fr; }
    """

    def __init__(self, inspector: Inspector, refresh_s: float) -> None:
        super().__init__()
        self.inspector = inspector
        self.refresh_s = refresh_s
        self._question = 0

    def compose(self) -> ComposeResult:
        """Return what it shows."""
        yield Static(id="head", markup=False)
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Static(id="failure", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Look now, and again."""
        self.set_interval(self.refresh_s, self.action_look)
        self.action_look()

    def on_screen_resume(self) -> None:
        """Look at once when somebody comes back to it."""
        self.action_look()

    def ask(self) -> _A:
        """Ask the broker; raises AsynqError."""
        raise NotImplementedError

    def show(self, answer: _A) -> None:
        """Show what it answered."""
        raise NotImplementedError

    def action_look(self) -> None:
        """Ask once more."""
        self._question += 1
        number = self._question
        if self.is_current:
            self.run_worker(lambda: self._look(number), thread=True, exclusive=True, group="look")

    def _look(self, number: int) -> None:
        try:
            answer = self.ask()
        except AsynqError as error:
            self.app.call_from_thread(self._fail, number, " ".join(str(error).split()))
        else:
            self.app.call_from_thread(self._show, number, answer)

    def _fail(self, number: int, text: str) -> None:
        if number == self._question and self.is_attached:
            self.query_one("#failure", Static).update(text)

    def _show(self, number: int, answer: _A) -> None:
        if number == self._question and self.is_attached:
            self.query_one("#failure", Static).update("")
            self.show(answer)

    def fill(self, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Show rows, each with its key; the cursor stays on the key that it was on."""
        table: DataTable[str] = self.query_one(DataTable)
        key = self.chosen
        table.clear(columns=True)
        table.add_columns(*columns)
        for name, cells in rows:
            table.add_row(*cells, key=name)
        keys = [name for name, _ in rows]
        if key in keys:
            table.move_cursor(row=keys.index(key))

    @property
    def chosen(self) -> str | None:
        """The key of the row that the cursor is on; None in an empty table."""
        table: DataTable[str] = self.query_one(DataTable)
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def head(self, text: str) -> None:
        """Show a text above the table."""
        self.query_one("#head", Static).update(text)

    def action_move(self, step: int) -> None:
        """Move the cursor by a row."""
        table: DataTable[str] = self.query_one(DataTable)
        table.action_cursor_down() if step > 0 else table.action_cursor_up()

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen())

    def action_back(self) -> None:
        """Go back to the screen before; from the first one: quit."""
        if len(self.app.screen_stack) > 2:  # Textual's own lies below the first.
            self.app.pop_screen()
        else:
            self.app.exit()
