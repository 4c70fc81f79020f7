"""What do the examples' handlers do when their time comes? Tested as a user would test them: `asynq_compat.testing`, no service."""

from __future__ import annotations

import re

import pytest

import asynq_compat as asynq
from asynq_compat.testing import Sandbox
from examples import producer, retries, scheduled, swap_of_the_import, worker_async, worker_sync


def test_flaky_tasks_are_tried_again_and_hopeless_ones_are_not(asynq_sandbox: Sandbox) -> None:
    asynq_sandbox.client.enqueue_many([asynq.Task("flaky"), asynq.Task("hopeless")], queue=retries.QUEUE)

    attempts = asynq_sandbox.run_for(retries.mux, 3600)

    assert [(attempt.type, attempt.retried, attempt.state) for attempt in attempts] == [
        ("flaky", 0, asynq.TaskState.RETRY),
        ("hopeless", 0, asynq.TaskState.ARCHIVED),
        ("flaky", 1, None),
    ]


def test_a_report_runs_at_its_instant(asynq_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    asynq_sandbox.client.enqueue(asynq.Task("report", b"in two seconds"), process_in=2)

    asynq_sandbox.clock.advance(1)
    assert asynq_sandbox.run_all(scheduled.mux) == []
    asynq_sandbox.clock.advance(1)
    assert len(asynq_sandbox.run_all(scheduled.mux)) == 1
    assert "in two seconds ran at" in capsys.readouterr().out


@pytest.mark.parametrize("mux", [worker_sync.mux, worker_async.mux], ids=["sync", "async"])
def test_the_workers_deliver_what_the_producer_made(
    asynq_sandbox: Sandbox, capsys: pytest.CaptureFixture[str], mux: asynq.ServeMux
) -> None:
    producer.main()
    asynq_sandbox.assert_enqueued("email:welcome", payload={"user_id": 42}, queue="critical", count=1)
    asynq_sandbox.assert_enqueued("email:reminder", count=10)

    attempts = asynq_sandbox.run_for(mux, 3600)

    assert {attempt.error for attempt in attempts} == {None}
    assert len(re.findall(r"email:reminder to user \d, attempt 1\n", capsys.readouterr().out)) == 10


def test_a_program_that_names_redis_is_tested_unchanged(
    asynq_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    swap_of_the_import.main()

    asynq_sandbox.assert_enqueued("invoice:render", payload={"invoice": 7}, task_id="invoice-7", count=1)
    assert "the second time: task ID conflicts with another task" in capsys.readouterr().out
