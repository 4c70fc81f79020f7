"""Does a message with numbers that no client of ours would write stop anything?"""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from asynq_compat.context import Context
from asynq_compat.inspector import Inspector
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import Task
from tests.server.ground import PATIENCE_S, Ground, wait_until

MAX32, MAX64 = 2**31 - 1, 2**63 - 1
LATER = 4_000_000_000  # the year 2096

FAILING: dict[str, dict[str, Any]] = {
    "retried far below zero": {"retried": -(2**31)},
    "retried below zero": {"retried": -7},
    "nearly the last retry": {"retried": MAX32 - 1, "retry": MAX32},
    "the last retry": {"retried": MAX32, "retry": MAX32},
    "retry below zero": {"retry": -5},
    "timeout below zero": {"timeout": -1},
    "timeout far below zero": {"timeout": -MAX64 - 1},
    "deadline far below zero": {"deadline": -MAX64 - 1, "timeout": 0},
    "failed long ago": {"last_failed_at": -MAX64 - 1},
}
SUCCEEDING: dict[str, dict[str, Any]] = {
    "timeout above all": {"timeout": MAX64},
    "deadline above all": {"deadline": MAX64, "timeout": 0},
    "both above all": {"deadline": MAX64, "timeout": MAX64},
    "kept for ever": {"retention": MAX64},
    "kept below zero": {"retention": -MAX64 - 1},
    "completed before": {"completed_at": MAX64, "retention": 3600},
    "neither timeout nor deadline": {"timeout": 0},
}


def _is_over(ground: Ground, name: str, task_id: str) -> bool:
    states = {TaskState.RETRY, TaskState.ARCHIVED} if name in FAILING else {TaskState.COMPLETED, None}
    return ground.state(task_id) in states


def test_hostile_numbers_stop_nothing(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "asynq_compat")
    ids = {name: ground.enqueue(name, **fields) for name, fields in (FAILING | SUCCEEDING).items()}
    pause = threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        assert ctx.deadline is not None
        pause.wait(0.05)
        if task.type in FAILING:
            raise RuntimeError(task.type)

    with ground.serving(handle):
        wait_until(
            lambda: all(_is_over(ground, *item) for item in ids.items()),
            lambda: [i for i in ids.items() if not _is_over(ground, *i)],
        )
        ground.wait_for_state(ground.enqueue("an ordinary one"), None)

    with Inspector(ground.broker) as inspector:
        for name, task_id in ids.items():
            if ground.state(task_id) is not None:
                info = inspector.get_task_info("default", task_id)
                told = (
                    info.deadline,
                    info.timeout,
                    info.retention,
                    info.completed_at,
                    info.last_failed_at,
                    info.next_process_at,
                )
                assert len(told) == 6, name
    assert [line for line in caplog.messages if "both timeout and deadline" not in line] == []


def test_a_deadline_beyond_all_calendars_is_published(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    started, release = threading.Event(), threading.Event()
    task_id = ground.enqueue(timeout=MAX64)

    def handle(ctx: Context, task: Task) -> None:
        del ctx, task
        started.set()
        release.wait(PATIENCE_S)

    with ground.serving(handle) as server:
        assert started.wait(PATIENCE_S)
        assert server._engine is not None
        server._engine._heartbeater.run_once()
        release.set()
        ground.wait_for_state(task_id, None)

    assert "Failed to write server state" not in caplog.text
