"""Does Go's server do with a Python client's tasks what it does with a Go client's?

Every option as Go's handler sees it, every outcome and state as our inspector sees it.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import asynq_compat as asynq
from tests.interop.go_oracle import Oracle
from tests.services.waiting import wait_until

S = 1_000_000_000
WAIT_S = 60.0
# Long enough to be looked at before it is over.
DELAY_S = 4
BEHAVIOURS: dict[str, dict[str, Any]] = {
    "ok": {"do": "ok"},
    "result": {"do": "ok", "result": base64.b64encode(b"42").decode()},
    "fail": {"do": "fail", "text": "boom: Ünal"},
    "skip": {"do": "skip"},
    "revoke": {"do": "revoke"},
    "panic": {"do": "panic"},
    "no_failure": {"do": "fail", "text": "later, please"},
    "wait": {"do": "wait"},
}


@dataclass
class Work:
    """Go's server, and a Python client and inspector of its queues."""

    oracle: Oracle
    client: asynq.Client
    inspector: asynq.Inspector

    def enqueue(self, type_name: str, *options: asynq.Option, payload: bytes | None = b"x") -> str:
        return self.client.enqueue(asynq.Task(type_name, payload), *options).id

    def info(self, task_id: str, queue: str = "default") -> asynq.TaskInfo | None:
        try:
            return self.inspector.get_task_info(queue, task_id)
        except asynq.TaskNotFoundError:
            return None

    def becomes(self, task_id: str, state: str, queue: str = "default") -> asynq.TaskInfo | None:
        def has_come() -> bool:
            found = self.info(task_id, queue)
            return (str(found.state) if found else "gone") == state

        wait_until(has_come, f"{task_id} {state}", WAIT_S)
        return self.info(task_id, queue)

    def kept(self, task_id: str, state: str, queue: str = "default") -> asynq.TaskInfo:
        found = self.becomes(task_id, state, queue)
        assert found is not None
        return found

    def starts(self, task_id: str) -> list[dict[str, Any]]:
        return [event for event in self.oracle.events() if event["event"] == "start" and event["task_id"] == task_id]

    def first(self, task_id: str) -> dict[str, Any]:
        wait_until(lambda: self.starts(task_id), f"{task_id} to start", WAIT_S)
        return self.starts(task_id)[0]


@pytest.fixture(scope="module")
def go_server(go_program: Callable[[str], Path]) -> Iterator[Oracle]:
    with Oracle(go_program("oracle")) as oracle:
        yield oracle


@pytest.fixture
def work(redis_url: str, go_server: Oracle) -> Iterator[Work]:
    name = uuid.uuid4().hex
    go_server.call(
        "server.start",
        name=name,
        redis=redis_url,
        concurrency=10,
        queues={"default": 3, "low": 1},
        retry_delay_ns=3600 * S,
        no_failure="later",
        task_check_interval_ns=S // 10,
        delayed_task_check_interval_ns=S // 2,
        behaviours=BEHAVIOURS,
        aggregate="aggregated",
        group_grace_period_ns=S,
        group_max_size=3,
        log_level="fatal",
    )
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        yield Work(go_server, client, inspector)
    go_server.call("server.shutdown", name=name)


def test_payload_and_headers_arrive(work: Work) -> None:
    plain = work.enqueue("ok", payload=bytes(range(256)))
    empty = work.enqueue("ok", payload=None)
    headed = work.client.enqueue(asynq.Task("ok", b"x", headers={"trace": "a1", "Ünal": ""})).id

    assert base64.b64decode(work.first(plain)["payload"]) == bytes(range(256))
    assert not work.first(empty)["payload"]
    assert work.first(headed)["headers"] == {"trace": "a1", "Ünal": ""}


def test_many_in_one_call_arrive(work: Work) -> None:
    outcomes = work.client.enqueue_many([asynq.Task("ok", b"%d" % number) for number in range(50)])

    ids = [outcome.id for outcome in outcomes if isinstance(outcome, asynq.TaskInfo)]
    assert len(ids) == 50
    assert [base64.b64decode(work.first(task_id)["payload"]) for task_id in ids] == [b"%d" % n for n in range(50)]


def test_gos_handler_knows_id_queue_and_retries(work: Work) -> None:
    work.enqueue("ok", asynq.TaskID("chosen"), asynq.Queue("low"), asynq.MaxRetry(3))

    seen = work.first("chosen")

    assert (seen["queue"], seen["max_retry"], seen["retried"]) == ("low", 3, 0)


def test_timeout_and_deadline_make_the_contexts_deadline(work: Work) -> None:
    before_s = time.time()
    at = datetime.fromtimestamp(int(before_s) + 500, UTC)
    default, timeout = work.enqueue("ok"), work.enqueue("ok", asynq.Timeout(90))
    deadline, both = work.enqueue("ok", asynq.Deadline(at)), work.enqueue("ok", asynq.Timeout(90), asynq.Deadline(at))

    def after_s(task_id: str) -> float:
        deadline_s: int = work.first(task_id)["deadline"][0]
        return deadline_s - before_s

    assert 1799 <= after_s(default) < 1830  # The event tells whole seconds.
    assert 89 <= after_s(timeout) < 120
    assert work.first(deadline)["deadline"][0] == int(before_s) + 500
    assert 89 <= after_s(both) < 120


def test_a_delayed_task_starts_when_its_time_has_come(work: Work) -> None:
    at_s = int(time.time()) + DELAY_S
    at = work.enqueue("ok", asynq.ProcessAt(datetime.fromtimestamp(at_s, UTC)))
    in_s = work.enqueue("ok", asynq.ProcessIn(timedelta(seconds=DELAY_S)))
    assert work.kept(at, "scheduled").next_process_at == datetime.fromtimestamp(at_s, UTC)

    assert work.first(at)["at_ns"] >= at_s * S
    assert work.first(in_s)["at_ns"] >= at_s * S


def test_success_frees_a_python_clients_lock(work: Work) -> None:
    done = work.enqueue("ok", asynq.Unique(600))
    work.becomes(done, "gone")
    work.enqueue("ok", asynq.Unique(600))
    work.becomes(work.enqueue("fail", asynq.Unique(600)), "retry")

    with pytest.raises(asynq.DuplicateTaskError):
        work.enqueue("fail", asynq.Unique(600))


def test_a_retained_task_is_completed_with_its_result(work: Work) -> None:
    info = work.kept(work.enqueue("result", asynq.Retention(600)), "completed")

    assert (info.result, info.retention) == (b"42", timedelta(seconds=600))
    assert info.completed_at is not None


def test_failures_are_seen_as_go_wrote_them(work: Work) -> None:
    retried = work.kept(work.enqueue("fail", asynq.MaxRetry(5)), "retry")
    exhausted = work.kept(work.enqueue("fail", asynq.MaxRetry(0)), "archived")
    skipped = work.kept(work.enqueue("skip"), "archived")
    panicked = work.kept(work.enqueue("panic"), "retry")
    uncounted = work.kept(work.enqueue("no_failure"), "retry")

    assert (retried.retried, retried.max_retry, retried.last_err) == (1, 5, "boom: Ünal")
    assert (exhausted.retried, exhausted.last_err) == (0, "boom: Ünal")
    assert (skipped.retried, panicked.retried, uncounted.retried) == (0, 1, 0)
    assert panicked.last_err.startswith("panic error cause by: ")
    assert uncounted.last_err == "later, please"


def test_a_revoked_task_is_gone(work: Work) -> None:
    task_id = work.enqueue("revoke", asynq.Retention(600))
    work.first(task_id)

    assert work.becomes(task_id, "gone") is None


def test_a_python_inspector_cancels_gos_handler(work: Work) -> None:
    task_id = work.enqueue("wait")
    work.first(task_id)
    assert work.kept(task_id, "active").is_orphaned is False

    def is_cancelled() -> bool:
        """A server subscribes in the background, and nobody may be listening yet."""
        work.inspector.cancel_processing(task_id)
        info = work.info(task_id)
        return info is not None and info.state is asynq.TaskState.RETRY

    wait_until(is_cancelled, "the cancellation", WAIT_S)
    assert work.kept(task_id, "retry").last_err == "context canceled"


def test_a_python_inspector_runs_archives_deletes_and_pauses(work: Work) -> None:
    """A Go server lives with what an operator's Python program does to its queue."""
    run, archived, deleted = (work.enqueue("ok", asynq.ProcessIn(3600)) for _ in range(3))

    work.inspector.run_task("default", run)
    work.becomes(run, "gone")
    work.inspector.archive_task("default", archived)
    work.inspector.delete_task("default", deleted)
    work.inspector.pause_queue("default")
    paused = work.enqueue("ok")

    assert work.kept(archived, "archived").id == archived
    assert work.info(deleted) is None
    assert work.kept(paused, "pending").id == paused
    work.inspector.unpause_queue("default")
    work.becomes(paused, "gone")
    assert not work.starts(archived)
    assert not work.starts(deleted)


def test_a_python_clients_group_is_aggregated_by_go(work: Work) -> None:
    # In one call: between two of them a machine that is busy with something else may let the grace period pass.
    outcomes = work.client.enqueue_many([asynq.Task("ok", b"%d" % n) for n in range(3)], group="letters")
    assert all(isinstance(one, asynq.TaskInfo) for one in outcomes), outcomes

    def aggregates() -> list[dict[str, Any]]:
        return [
            event for event in work.oracle.events() if event["event"] == "aggregate" and event["group"] == "letters"
        ]

    wait_until(aggregates, "the group's aggregation", WAIT_S)
    assert aggregates()[0]["count"] == 3


def test_our_inspector_counts_as_gos_does(work: Work) -> None:
    for type_name in ("ok", "ok", "fail", "skip"):
        work.enqueue(type_name)
    wait_until(lambda: work.inspector.get_queue_info("default").processed == 4, "four tasks", WAIT_S)
    ours = work.inspector.get_queue_info("default")

    assert (ours.processed, ours.failed, ours.retry, ours.archived) == (4, 2, 1, 1)
