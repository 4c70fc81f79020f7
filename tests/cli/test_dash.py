"""Does the live view show what is there, follow the keys, and go on when the broker does not answer?"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

import asynq_compat as asynq
from asynq_compat.cli.dash.app import Dash
from asynq_compat.cli.dash.screen import HelpScreen
from tests.cli.conftest import Ask
from tests.services.redis import RedisServer

WAIT_S = 60.0


@pytest.fixture(params=["sqlite", "redis"])
def inspector(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[asynq.Inspector]:
    """An inspector of queues with tasks in some states."""
    url = str(request.getfixturevalue("redis_url")) if request.param == "redis" else f"sqlite:///{tmp_path}/tasks.db"
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        for number in range(70):
            client.enqueue(asynq.Task("send", b"{}"), task_id=f"task{number:02}")
        client.enqueue(asynq.Task("later"), task_id="later", process_in=3600)
        client.enqueue(asynq.Task("old", b"text"), task_id="filed", queue="low")
        inspector.archive_task("low", "filed")
        inspector.pause_queue("low")
        yield inspector


class Seat:
    """Who sits before the view."""

    def __init__(self, app: Dash, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def rows(self) -> list[list[str]]:
        table = self.app.screen.query_one(DataTable)
        return [[str(cell) for cell in table.get_row_at(at)] for at in range(table.row_count)]

    @property
    def head(self) -> str:
        return str(self.app.screen.query_one("#head", Static).render())

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def sees(self, condition: Callable[[], bool]) -> None:
        """Wait until the screen shows something."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await self.pilot.pause(0.02)


def sit(inspector: asynq.Inspector, story: Callable[[Seat], Coroutine[Any, Any, None]], refresh_s: float = 600) -> Dash:
    """Run the view in a terminal that is none, and do as the story says."""
    app = Dash(inspector, refresh_s)

    async def run() -> None:
        async with app.run_test(size=(140, 50)) as pilot:
            await story(Seat(app, pilot))

    asyncio.run(run())
    return app


def test_all_queues_are_shown_with_a_bar_and_a_row(inspector: asynq.Inspector) -> None:
    async def story(seat: Seat) -> None:
        await seat.sees(lambda: len(seat.rows) == 2)
        default, low = seat.rows
        assert (default[:3], default[5:]) == (["default", "run", "71"], ["0", "0", "N/A"])
        assert low[:3] == ["low", "paused", "1"]
        bars = seat.head.splitlines()
        assert bars[0] == f"default  {'p' * 39}s 71"
        assert bars[1] == "low      A 1"

    sit(inspector, story)


def test_a_queue_is_opened_and_its_pages_turned(inspector: asynq.Inspector) -> None:
    async def story(seat: Seat) -> None:
        await seat.sees(lambda: len(seat.rows) == 2)
        await seat.press("enter")
        await seat.sees(lambda: "[pending 70]" in seat.head and len(seat.rows) == 30)
        assert seat.rows[0][:3] == ["task00", "send", "{}"]
        await seat.press("n")
        await seat.sees(lambda: seat.rows[0][0] == "task30")
        await seat.press("n")
        await seat.sees(lambda: len(seat.rows) == 10)
        await seat.press("n")  # There is none behind it.
        await seat.sees(lambda: "page 3" in seat.head)
        await seat.press("p")
        await seat.sees(lambda: "page 2" in seat.head and seat.rows[0][0] == "task30")
        await seat.press("right")
        await seat.sees(lambda: "[active 0]" in seat.head and not seat.rows)
        await seat.press("l")
        await seat.sees(lambda: [row[0] for row in seat.rows] == ["later"])
        assert "[scheduled 1]" in seat.head
        assert seat.rows[0][3].startswith("in ")

    sit(inspector, story)


def test_a_task_is_opened_and_left_again(inspector: asynq.Inspector) -> None:
    async def story(seat: Seat) -> None:
        await seat.sees(lambda: len(seat.rows) == 2)
        await seat.press("j", "enter", "h", "h", "h")
        await seat.sees(lambda: [row[0] for row in seat.rows] == ["filed"])
        await seat.press("enter")
        await seat.sees(lambda: ["State", "archived"] in seat.rows)
        assert ["Payload", "text"] in seat.rows
        await seat.press("question_mark")
        await seat.sees(lambda: isinstance(seat.app.screen, HelpScreen))
        await seat.press("q", "escape")
        await seat.sees(lambda: "queue low, paused" in seat.head)
        await seat.press("q")
        await seat.sees(lambda: len(seat.rows) == 2)
        assert seat.app.is_running
        await seat.press("q")
        await seat.sees(lambda: not seat.app.is_running)

    sit(inspector, story)


def test_a_group_is_opened(inspector: asynq.Inspector) -> None:
    with asynq.Client(inspector._broker) as client:
        for name in ("b", "a", "a"):
            client.enqueue(asynq.Task("x"), group=name)

    async def story(seat: Seat) -> None:
        await seat.sees(lambda: len(seat.rows) == 2)
        await seat.press("enter", "h", "h")
        await seat.sees(lambda: seat.rows == [["a", "2"], ["b", "1"]])
        assert "[aggregating 3]" in seat.head
        await seat.press("enter")
        await seat.sees(lambda: [row[3] for row in seat.rows] == ["a", "a"])
        assert "queue default, group a" in seat.head
        await seat.press("enter")
        await seat.sees(lambda: ["State", "aggregating"] in seat.rows)

    sit(inspector, story)


def test_it_looks_again(inspector: asynq.Inspector) -> None:
    async def story(seat: Seat) -> None:
        await seat.sees(lambda: len(seat.rows) == 2)
        inspector.delete_task("default", "task00")
        await seat.sees(lambda: seat.rows[0][2] == "70")

    sit(inspector, story, refresh_s=0.05)


def test_ctrl_l_looks_at_once_and_the_cursor_stays(inspector: asynq.Inspector) -> None:
    async def story(seat: Seat) -> None:
        await seat.sees(lambda: len(seat.rows) == 2)
        await seat.press("j")
        inspector.delete_task("default", "task00")
        await seat.press("ctrl+l")
        await seat.sees(lambda: seat.rows[0][2] == "70")
        assert seat.app.screen.query_one(DataTable).cursor_row == 1

    sit(inspector, story)


def test_a_broker_that_does_not_answer_is_told_and_asked_again() -> None:
    server = RedisServer()
    try:
        with asynq.Client(server.url) as client, asynq.Inspector(server.url) as inspector:
            client.enqueue(asynq.Task("x"))

            async def story(seat: Seat) -> None:
                await seat.sees(lambda: len(seat.rows) == 1)
                await asyncio.to_thread(server.end)
                failure = seat.app.screen.query_one("#failure", Static)
                await seat.sees(lambda: "cannot be reached" in str(failure.render()))
                assert len(seat.rows) == 1, "what was seen last stays"
                await asyncio.to_thread(server.restart)
                await seat.sees(lambda: not str(failure.render()))

            sit(inspector, story, refresh_s=0.1)
    finally:
        server.stop()


def test_without_textual_the_extra_is_named(ask: Ask, lived: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "asynq_compat.cli.dash.app":
            raise ModuleNotFoundError("No module named 'textual'", name="textual")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)

    answer = ask("--broker", lived, "dash")

    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "asynq-compat: dash needs the package textual; pip install 'asynq-compat[dash]'\n"


@pytest.mark.parametrize(("arguments", "words"), [([], "needs a terminal"), (["--refresh", "10ms"], "at least 1s")])
def test_what_cannot_be_shown_is_told(arguments: list[str], words: str, ask: Ask, lived: str) -> None:
    answer = ask("--broker", lived, "dash", *arguments)

    assert answer.code == 2
    assert words in answer.err
