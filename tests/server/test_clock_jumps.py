"""Does a server on a journal live through a clock that jumps?

The wall clock, by which a log dates its entries, is set forward or back, and right again, while a task runs; the monotonic clock goes on. The file is SQLite's, whose
log has this clock; Kafka's brokers have their own.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.server import Server
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from tests.server.ground import PATIENCE_S, Ground, pass_time, wait_until

_LOOK_AGAIN_S = 0.02
_HOUR_S = 3_600


def ground_on(path: Path, clock: VirtualClock) -> Ground:
    """A file whose log has this clock."""
    store = SqliteJournalStore(str(path), now_ms=clock.now_ms)
    return Ground(open_journal(store, clock=clock, idle_s=_LOOK_AGAIN_S), "")


@pytest.mark.parametrize("jump_s", [_HOUR_S, -300, -_HOUR_S])
def test_nothing_is_lost_or_done_twice_when_the_clock_jumps(
    jump_s: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    ground = ground_on(tmp_path / "tasks.db", clock)
    ran: list[bytes] = []
    is_at_work, may_end = threading.Event(), threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        ran.append(task.payload or b"")
        if task.payload == b"long":
            is_at_work.set()
            assert may_end.wait(2 * PATIENCE_S)
            assert ctx.err is None, "its lease is kept"

    server = Server(ground.broker, Config(concurrency=2), clock=clock)
    # An attempt has its time, whatever the clock says.
    ground.enqueue(payload=b"long", timeout=_HOUR_S // 2)
    ground.enqueue(payload=b"soon", at_s=clock.now_s() + 60)
    server.start(handle)
    assert is_at_work.wait(PATIENCE_S)

    with caplog.at_level(logging.WARNING, logger="asynq_compat"):
        clock.step_s(jump_s)
        ground.enqueue(payload=b"after")
        wait_until(lambda: b"after" in ran, lambda: ran)
        pass_time(clock, 60, server)  # Two leases.
        clock.step_s(-jump_s)
        pass_time(clock, 10, server)  # The log hears of it with the server's next frame.
        wait_until(lambda: b"soon" in ran, lambda: ran)
    may_end.set()
    wait_until(lambda: ground.processed() == 3, ground.processed)

    assert sorted(ran) == [b"after", b"long", b"soon"]
    assert ("the log's clock went back by" in caplog.text) == (abs(jump_s) == _HOUR_S)
    assert "recovered" not in caplog.text
    server.shutdown()
    ground.broker.close()
