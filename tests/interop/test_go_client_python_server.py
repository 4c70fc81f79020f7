"""Does a Python server do with a Go client's tasks what Go's server would?

Every option as the handler sees it, every outcome and state as Go's inspector sees it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import asynq_compat as asynq
from tests.interop.go_oracle import Oracle, OracleError
from tests.services.waiting import wait_until

S = 1_000_000_000
AN_HOUR_S = 3600.0
WAIT_S = 60.0
# Long enough to be looked at before it is over.
DELAY_S = 4


@dataclass
class Seen:
    """What a handler was given."""

    at_s: float
    type: str
    payload: bytes | None
    headers: dict[str, str] | None
    retried: int | None
    max_retry: int | None
    queue: str | None
    deadline_s: float | None


@dataclass
class Work:
    """A Python server, and what its handlers saw, by task id."""

    url: str
    oracle: Oracle
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    def enqueue(self, type_name: str, payload: bytes | None = b"x", *options: dict[str, Any], **more: Any) -> str:
        info = self.oracle.call(
            "client.enqueue", redis=self.url, type=type_name, payload=payload, options=list(options), **more
        )
        task_id: str = info["id"]
        return task_id

    def info(self, task_id: str, queue: str = "default") -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.oracle.call(
                "inspector.get_task_info", redis=self.url, queue=queue, task_id=task_id
            )
        except OracleError as error:
            if error.names & {"ErrTaskNotFound", "ErrQueueNotFound"}:
                return None
            raise
        return found

    def state(self, task_id: str, queue: str = "default") -> str:
        found = self.info(task_id, queue)
        return found["state"] if found else "gone"

    def becomes(self, task_id: str, state: str, queue: str = "default") -> dict[str, Any]:
        wait_until(lambda: self.state(task_id, queue) == state, f"{task_id} {state}", WAIT_S)
        return self.info(task_id, queue) or {}

    def first(self, task_id: str) -> Seen:
        wait_until(lambda: task_id in self.seen, f"{task_id} to start", WAIT_S)
        return self.seen[task_id][0]


class Handlers:
    """One handler a task type; each notes what it was given, and ends as its name says."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def mux(self) -> asynq.ServeMux:
        mux = asynq.ServeMux()
        names = ("ok", "fail", "fail_once", "skip", "revoke", "no_failure", "wait")
        for name in names:
            mux.handle_func(name, getattr(self, name))
        mux.handle_func("async", self.on_the_loop)
        return mux

    def _note(self, ctx: asynq.Context, task: asynq.Task) -> None:
        seen = Seen(
            time.time(),
            task.type,
            task.payload,
            dict(task.headers) if task.headers else None,
            asynq.get_retry_count(ctx),
            asynq.get_max_retry(ctx),
            asynq.get_queue_name(ctx),
            ctx.deadline.timestamp() if ctx.deadline else None,
        )
        self._work.seen.setdefault(asynq.get_task_id(ctx) or "", []).append(seen)

    def ok(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)
        if task.result_writer is not None:
            task.result_writer.write(b"result of " + (task.payload or b""))

    async def on_the_loop(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)

    def fail(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)
        raise RuntimeError("boom: Ünal")

    def fail_once(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)
        if not asynq.get_retry_count(ctx):
            raise RuntimeError("not yet")

    def skip(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)
        raise asynq.SkipRetry("no use")

    def revoke(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)
        raise asynq.RevokeTask

    def no_failure(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)
        raise TimeoutError("later, please")

    def wait(self, ctx: asynq.Context, task: asynq.Task) -> None:
        self._note(ctx, task)
        ctx.wait(60)
        if ctx.cancelled():
            self._work.cancelled.add(asynq.get_task_id(ctx) or "")
        raise RuntimeError("cancelled")


@pytest.fixture
def work(redis_url: str, oracle: Oracle) -> Iterator[Work]:
    work = Work(redis_url, oracle)
    config = asynq.Config(
        concurrency=10,
        queues={"default": 3, "low": 1},
        retry_delay_func=lambda retried, error, task: 1 if task.type == "fail_once" else AN_HOUR_S,
        is_failure=lambda error: not isinstance(error, TimeoutError),
        delayed_task_check_interval=1,
        log_level="error",
    )
    server = asynq.Server(redis_url, config)
    server.start(Handlers(work).mux())
    yield work
    server.shutdown()
    oracle.call("client.close", redis=redis_url)


def test_payload_and_headers_arrive(work: Work) -> None:
    plain = work.enqueue("ok", bytes(range(256)))
    empty = work.enqueue("ok", None)
    headed = work.enqueue("async", b"x", headers={"trace": "a1", "Ünal": ""})

    assert work.first(plain).payload == bytes(range(256))
    assert (work.first(empty).payload, work.first(empty).headers) == (None, None)
    assert work.first(headed).headers == {"trace": "a1", "Ünal": ""}


def test_the_handler_knows_id_queue_and_retries(work: Work) -> None:
    task_id = work.enqueue("ok", b"x", {"TaskID": "chosen"}, {"Queue": "low"}, {"MaxRetry": 3})

    seen = work.first(task_id)

    assert task_id == "chosen"
    assert (seen.queue, seen.max_retry, seen.retried) == ("low", 3, 0)


def test_timeout_and_deadline_make_the_contexts_deadline(work: Work) -> None:
    before_s = time.time()
    default = work.enqueue("ok")
    timeout = work.enqueue("ok", b"x", {"Timeout": 90 * S})
    deadline = work.enqueue("ok", b"x", {"Deadline": (int(before_s) + 500) * S})
    both = work.enqueue("ok", b"x", {"Timeout": 90 * S}, {"Deadline": (int(before_s) + 500) * S})

    def after_s(task_id: str) -> float:
        deadline_s = work.first(task_id).deadline_s
        assert deadline_s is not None
        return deadline_s - before_s

    assert 1800 <= after_s(default) < 1830
    assert 90 <= after_s(timeout) < 120
    assert work.first(deadline).deadline_s == int(before_s) + 500
    assert 89 <= after_s(both) < 120  # With both, Go cuts now to whole seconds.


def test_a_delayed_task_starts_when_its_time_has_come(work: Work) -> None:
    in_s = work.enqueue("ok", b"x", {"ProcessIn": DELAY_S * S})
    at_s = int(time.time()) + DELAY_S
    at = work.enqueue("ok", b"x", {"ProcessAt": at_s * S})
    assert work.state(at) == "scheduled"

    assert work.first(at).at_s >= at_s
    assert work.first(in_s).at_s - at_s < 30


def test_the_uniqueness_lock_is_freed_by_success_and_kept_by_failure(work: Work) -> None:
    done = work.enqueue("ok", b"1", {"Unique": 600 * S})
    work.becomes(done, "gone")
    again = work.enqueue("ok", b"1", {"Unique": 600 * S})
    failed = work.enqueue("fail", b"1", {"Unique": 600 * S})
    work.becomes(failed, "retry")

    with pytest.raises(OracleError) as refused:
        work.enqueue("fail", b"1", {"Unique": 600 * S})

    assert again != done
    assert "ErrDuplicateTask" in refused.value.names


def test_a_retained_task_is_completed_with_its_result(work: Work) -> None:
    task_id = work.enqueue("ok", b"42", {"Retention": 600 * S})

    info = work.becomes(task_id, "completed")

    assert info["result"] is not None
    assert base64.b64decode(info["result"]) == b"result of 42"
    assert abs(info["completed_at"] - time.time()) < 30


def test_a_failure_waits_for_its_retry(work: Work) -> None:
    task_id = work.enqueue("fail", b"x", {"MaxRetry": 5})

    info = work.becomes(task_id, "retry")

    assert (info["retried"], info["max_retry"], info["last_err"]) == (1, 5, "boom: Ünal")
    assert abs(info["last_failed_at"] - time.time()) < 30
    assert abs(info["next_process_at"][0] - time.time() - AN_HOUR_S) < 30


def test_a_retry_ends_well(work: Work) -> None:
    task_id = work.enqueue("fail_once")

    work.becomes(task_id, "gone")

    assert [seen.retried for seen in work.seen[task_id]] == [0, 1]


def test_what_has_no_retries_left_is_archived(work: Work) -> None:
    task_id = work.enqueue("fail", b"x", {"MaxRetry": 0})

    info = work.becomes(task_id, "archived")

    assert (info["retried"], info["last_err"]) == (0, "boom: Ünal")


def test_skip_retry_archives_and_revoke_drops(work: Work) -> None:
    skipped = work.enqueue("skip")
    revoked = work.enqueue("revoke", b"x", {"Retention": 600 * S})

    assert work.becomes(skipped, "archived")["last_err"] == "no use"
    work.first(revoked)
    work.becomes(revoked, "gone")


def test_what_is_no_failure_is_retried_uncounted(work: Work) -> None:
    task_id = work.enqueue("no_failure")

    info = work.becomes(task_id, "retry")

    assert (info["retried"], info["last_err"]) == (0, "later, please")
    assert work.oracle.call("inspector.get_queue_info", redis=work.url, queue="default")["failed"] == 0


def test_an_unknown_type_is_retried_with_gos_words(work: Work) -> None:
    task_id = work.enqueue("nobody's")

    assert work.becomes(task_id, "retry")["last_err"] == 'handler not found for task "nobody\'s"'


def test_gos_inspector_cancels_a_python_handler(work: Work) -> None:
    task_id = work.enqueue("wait")
    work.first(task_id)
    assert work.state(task_id) == "active"

    def is_cancelled() -> bool:
        """A server subscribes in the background, and nobody may be listening yet."""
        work.oracle.call("inspector.cancel_processing", redis=work.url, task_id=task_id)
        return work.state(task_id) == "retry"

    wait_until(is_cancelled, "the cancellation", WAIT_S)
    # The attempt is over before its handler hears of it.
    wait_until(lambda: work.cancelled == {task_id}, "the handler to hear of it", WAIT_S)


def test_gos_inspector_runs_archives_deletes_and_pauses(work: Work) -> None:
    """A Python server lives with what an operator's Go program does to its queue."""
    act = work.oracle.call
    failed = work.enqueue("fail_once", b"x", {"ProcessIn": 3600 * S})
    act("inspector.run_task", redis=work.url, queue="default", task_id=failed)
    work.becomes(failed, "gone")
    later = [work.enqueue("ok", b"x", {"ProcessIn": 3600 * S}) for _ in range(2)]
    act("inspector.archive_task", redis=work.url, queue="default", task_id=later[0])
    act("inspector.delete_task", redis=work.url, queue="default", task_id=later[1])
    act("inspector.pause_queue", redis=work.url, queue="default")
    paused = work.enqueue("ok")

    assert [work.state(task_id) for task_id in (*later, paused)] == ["archived", "gone", "pending"]
    act("inspector.unpause_queue", redis=work.url, queue="default")
    work.becomes(paused, "gone")
    assert set(later).isdisjoint(work.seen)


def test_gos_inspector_sees_the_python_server(work: Work) -> None:
    task_id = work.enqueue("wait")
    work.first(task_id)

    looks: list[list[dict[str, Any]]] = []

    def is_worker_told() -> bool:
        looks.append(work.oracle.call("inspector.servers", redis=work.url))
        return [worker["task_id"] for server in looks[-1] for worker in server["active_workers"]] == [task_id]

    wait_until(is_worker_told, "the worker in the server's info", WAIT_S)
    (server,) = looks[-1]
    assert (server["concurrency"], server["queues"], server["status"]) == (10, {"default": 3, "low": 1}, "active")
    work.oracle.call("inspector.cancel_processing", redis=work.url, task_id=task_id)
