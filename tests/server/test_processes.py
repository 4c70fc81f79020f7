"""Do handlers in processes of their own fare as those in the server's, and does a process that dies take nothing else with it?"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.engine.processes import overdue
from asynq_compat.ports.consuming import Consuming, Intake
from asynq_compat.ports.inspecting import StoredTask
from tests.server import process_handlers as handlers
from tests.server.ground import Ground, wait_until

DAY_S = 86_400
# The timeout of a task whose handler is to begin before it: less would do where nothing else runs.
BEGINS_WITHIN_S = 3
PROCESSES: dict[str, Any] = {"concurrency": 4, "processes": 2, "shutdown_timeout": 20}


def result(ground: Ground, task_id: str) -> dict[str, Any]:
    """What a task's handler wrote; {} while it has not."""
    stored = ground.stored(task_id)
    return dict(json.loads(stored.result)) if isinstance(stored, StoredTask) and stored.result else {}


@contextlib.contextmanager
def serving(ground: Ground, **fields: Any) -> Iterator[asynq.Server]:
    with ground.serving(handlers.MUX, **(PROCESSES | fields)) as server:
        yield server


def completed(ground: Ground, *task_ids: str) -> list[dict[str, Any]]:
    for task_id in task_ids:
        ground.wait_for_state(task_id, asynq.TaskState.COMPLETED)
    return [result(ground, task_id) for task_id in task_ids]


def test_handlers_run_in_several_processes_and_know_what_they_know_in_one(ground: Ground) -> None:
    fields: dict[str, Any] = {"retention": DAY_S, "retry": 7, "headers": {"trace": "a1"}, "deadline": 4_000_000_000}
    plain = [ground.enqueue("plain", **fields) for _ in range(8)]
    coroutines = [ground.enqueue("async", **fields) for _ in range(8)]

    with serving(ground, base_context=handlers.base_context):
        told = completed(ground, *plain, *coroutines)

    assert os.getpid() not in {one["pid"] for one in told}
    assert len({one["pid"] for one in told}) == 2
    assert {one["thread"] for one in told[:8]} == {"asynq-worker"}
    assert {one["thread"] for one in told[8:]} == {"asynq-loop"}
    assert [one["id"] for one in told] == plain + coroutines
    for one in told:
        assert (one["queue"], one["retried"], one["max_retry"], one["base"]) == ("default", 0, 7, "ours")
        assert one["headers"] == {"trace": "a1"}
        assert one["deadline"] is not None
    assert ground.processed() == 16


def test_errors_mean_what_they_mean_in_one_process(ground: Ground, tmp_path: Path) -> None:
    told = handlers.Told(str(tmp_path / "told"))
    with serving(ground, is_failure=handlers.is_failure, retry_delay_func=handlers.retry_delay, error_handler=told):
        skipped, panicked = ground.enqueue("raise:skip"), ground.enqueue("raise:panic", retry=0)
        odd, revoked = ground.enqueue("raise:odd"), ground.enqueue("raise:revoke", retention=DAY_S)
        unknown = ground.enqueue("nobody's", retry=0)

        ground.wait_for_state(skipped, asynq.TaskState.ARCHIVED)
        ground.wait_for_state(panicked, asynq.TaskState.ARCHIVED)
        ground.wait_for_state(unknown, asynq.TaskState.ARCHIVED)
        ground.wait_for_state(odd, asynq.TaskState.RETRY)
        ground.wait_for_state(revoked, None)

    assert ground.message(skipped).error_msg == "no use"
    assert ground.message(panicked).error_msg.startswith("panic error cause by: panic [")
    assert ground.message(unknown).error_msg == 'handler not found for task "nobody\'s"'
    assert (ground.message(odd).error_msg, ground.message(odd).retried) == ("odd 3600", 0)
    # Where the exception lives: in the worker.
    assert {one["type"] for one in told.lines()} == {
        "raise:skip",
        "raise:panic",
        "raise:odd",
        "raise:revoke",
        "nobody's",
    }
    assert os.getpid() not in {one["pid"] for one in told.lines()}


@pytest.mark.parametrize("kind", ["hang", "hang:async"])
def test_a_cancellation_and_a_deadline_reach_the_process(ground: Ground, kind: str) -> None:
    with serving(ground):
        late = ground.enqueue(kind, retry=0, timeout=1)
        cancelled = ground.enqueue(kind, retry=0, retention=DAY_S)
        wait_until(lambda: result(ground, cancelled), "the handler to begin")

        ground.cancel_until(cancelled, asynq.TaskState.ARCHIVED)

        ground.wait_for_state(late, asynq.TaskState.ARCHIVED)
        completed(ground, *(ground.enqueue("plain", retention=DAY_S) for _ in range(4)))
    assert ground.message(cancelled).error_msg == "context canceled"
    assert ground.message(late).error_msg == "context deadline exceeded"


def test_a_process_that_dies_fails_what_it_ran_and_nothing_else(
    ground: Ground, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = handlers.Told(str(tmp_path / "told"))
    with (
        caplog.at_level(logging.INFO),
        serving(ground, concurrency=2, error_handler=told, retry_delay_func=handlers.retry_delay),
    ):
        poison = ground.enqueue("die:kill", retry=1)
        others = [ground.enqueue("plain", retention=DAY_S, retry=0) for _ in range(6)]

        ground.wait_for_state(poison, asynq.TaskState.ARCHIVED)

        completed(ground, *others)
    message = ground.message(poison)
    pid = told.lines()[-1]["error"].split()[2]
    assert message.error_msg == f"worker process {pid} died (signal 9) while running this task"
    assert message.retried == 1
    # Nobody else is there to be asked: the server's process is.
    assert [one["pid"] for one in told.lines()] == [os.getpid()] * 2
    assert (
        f"worker process {pid} died (signal 9); tasks that it was running: 1; another one takes its place"
        in caplog.text
    )


def test_the_end_of_a_process_is_seen_although_its_own_child_holds_its_socket(ground: Ground) -> None:
    with serving(ground):
        poison = ground.enqueue("die:fork", retry=0)

        ground.wait_for_state(poison, asynq.TaskState.ARCHIVED)
    assert " died (exit code 5) while running this task" in ground.message(poison).error_msg


def test_a_process_that_cannot_tell_what_became_of_its_tasks_ends_and_another_runs_them(ground: Ground) -> None:
    with serving(ground, retry_delay_func=handlers.retry_delay):
        task_id = ground.enqueue("die:speechless", retention=DAY_S)

        (told,) = completed(ground, task_id)

    assert told["retried"] == 1
    assert " died (exit code 1) while running this task" in ground.message(task_id).error_msg


def test_a_process_that_a_handler_forks_tells_nothing_when_it_comes_back_from_the_handler(ground: Ground) -> None:
    with serving(ground, concurrency=2):
        tasks = [ground.enqueue(kind, retry=0, retention=DAY_S) for kind in ("fork", "fork:fail", "fork:async")]

        told = completed(ground, *tasks)

        # The pool and the loop that were copied are as good as ever.
        again = completed(ground, *(ground.enqueue(kind, retry=0, retention=DAY_S) for kind in ("plain", "async") * 3))
    assert [one["status"] for one in told] == [1, 1, 1]
    assert {one["pid"] for one in again} <= {one["pid"] for one in told}


def test_what_a_process_had_not_begun_when_it_died_goes_to_another_uncounted(ground: Ground) -> None:
    # Coroutines of one process begin one behind another, and the first one ends the process.
    poison = ground.enqueue("die:exit", retry=0)
    others = [ground.enqueue("async", retry=0, retention=DAY_S) for _ in range(7)]

    with serving(ground, concurrency=8):
        completed(ground, *others)
        ground.wait_for_state(poison, asynq.TaskState.ARCHIVED)

    assert " died (exit code 3) while running this task" in ground.message(poison).error_msg


def test_a_task_whose_processes_die_before_it_begins_does_not_go_round_for_ever(ground: Ground) -> None:
    with ground.serving(handlers.DEADLY, **PROCESSES):
        poison = ground.enqueue("plain", retry=0)

        ground.wait_for_state(poison, asynq.TaskState.ARCHIVED)
    assert " died (exit code 4) while running this task" in ground.message(poison).error_msg


def test_a_shutdown_hands_back_what_does_not_end(ground: Ground) -> None:
    with serving(ground, shutdown_timeout=1):
        hanging = ground.enqueue("hang", retention=DAY_S, retry=3)
        wait_until(lambda: result(ground, hanging), "the handler to begin")

    assert ground.state(hanging) is asynq.TaskState.PENDING
    assert (ground.message(hanging).retried, ground.message(hanging).error_msg) == (0, "")


def test_what_workers_have_is_known_and_a_lost_lease_frees_its_slot(ground: Ground) -> None:
    with serving(ground) as server:
        hanging = [ground.enqueue("hang", timeout=600, retry=9) for _ in range(4)]
        wait_until(lambda: all(result(ground, one) for one in hanging), "all to begin")
        assert server._engine is not None
        attempts = server._engine._work.attempts
        runs = attempts.unsettled()
        assert sorted(run.lease.task_id for run in runs) == sorted(hanging)
        assert {(run.message.type, run.max_retry) for run in runs} == {("hang", 9)}
        assert {round((run.deadline_ns - run.started_ns) / 1e9) for run in runs} == {600}

        for run in runs:
            attempts.lease_lost(run)

        # All slots were taken; nothing is written about what was lost.
        completed(ground, *(ground.enqueue("plain", retention=DAY_S) for _ in range(4)))
        wait_until(lambda: not attempts.unsettled(), "the other slots to be free as well")
        assert {ground.state(one) for one in hanging} == {asynq.TaskState.ACTIVE}


def test_a_shutdown_waits_for_what_runs(ground: Ground) -> None:
    with serving(ground):
        slow = ground.enqueue("slow", retention=DAY_S)
        wait_until(lambda: result(ground, slow), "the handler to begin")

    assert ground.state(slow) is asynq.TaskState.COMPLETED


def test_a_process_stuck_in_c_code_is_killed_once_a_deadline_has_passed(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "SILENT_S", 0.5)
    monkeypatch.setattr(overdue, "GRACE_S", 0.5)
    with serving(ground, concurrency=4):
        innocent = ground.enqueue("hang", retention=DAY_S, retry=0)
        pid = wait_for_pid(ground, innocent)
        stuck = [ground.enqueue("hold", retry=0, timeout=BEGINS_WITHIN_S) for _ in range(3)]

        for one in stuck:
            ground.wait_for_state(one, asynq.TaskState.ARCHIVED)

        assert {ground.message(one).error_msg for one in stuck} == {"context deadline exceeded"}
        # It ran beside one of them: it is not to blame, and runs again elsewhere.
        wait_until(lambda: result(ground, innocent)["pid"] != pid, "it to run again")
        assert ground.message(innocent).retried == 0
        ground.cancel_until(innocent, asynq.TaskState.ARCHIVED)


def test_a_stopped_process_does_not_keep_what_it_has_not_begun_for_ever(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "SILENT_S", 0.5)
    monkeypatch.setattr(overdue, "GRACE_S", 0.5)
    with serving(ground, concurrency=2):
        told = completed(ground, *(ground.enqueue("slow", retention=DAY_S) for _ in range(4)))
        for pid in {one["pid"] for one in told}:
            os.kill(pid, signal.SIGSTOP)

        again = completed(
            ground, *(ground.enqueue("plain", retention=DAY_S, retry=0, timeout=BEGINS_WITHIN_S) for _ in range(2))
        )

    assert not {one["pid"] for one in told} & {one["pid"] for one in again}


def wait_for_pid(ground: Ground, task_id: str) -> int:
    wait_until(lambda: result(ground, task_id), "the handler to begin")
    return int(result(ground, task_id)["pid"])


def test_a_killed_process_that_had_nothing_to_do_is_replaced(ground: Ground) -> None:
    with serving(ground, concurrency=2) as server:
        first = {one["pid"] for one in completed(ground, *(ground.enqueue("plain", retention=DAY_S) for _ in range(6)))}

        for pid in first:
            os.kill(pid, signal.SIGKILL)

        again = {
            one["pid"]
            for one in completed(ground, *(ground.enqueue("plain", retention=DAY_S, retry=0) for _ in range(6)))
        }
        assert not first & again
        server.ping()


class _Joining:
    """A broker's consuming port, with which one worker process is gone by the time the server has joined its queues."""

    def __init__(self, consuming: Consuming, caplog: pytest.LogCaptureFixture) -> None:
        self._consuming = consuming
        self._caplog = caplog

    def open_intake(self, *args: Any) -> Intake:
        ready = next(text for text in map(logging.LogRecord.getMessage, self._caplog.records) if "are ready" in text)
        pid = int(ready.split()[-1])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "it is reaped")
        return self._consuming.open_intake(*args)


def test_a_process_that_dies_while_the_server_joins_its_queues_is_replaced(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    joining: Any = _Joining(ground.broker.consuming, caplog)
    elsewhere = Ground(dataclasses.replace(ground.broker, consuming=joining), ground.url)
    with caplog.at_level(logging.INFO), serving(elsewhere, concurrency=2):
        tasks = [ground.enqueue("plain", retention=DAY_S) for _ in range(8)]
        completed(ground, *tasks)

        wait_until(lambda: re.search(r"Worker process \d+ is ready", caplog.text), "another takes its place")


def test_no_process_thread_or_file_is_left(ground: Ground) -> None:
    def serve() -> int:
        server = asynq.Server(ground.url, asynq.Config(**PROCESSES))  # With a broker of its own.
        server.start(handlers.MUX)
        pid = completed(ground, ground.enqueue("plain", retention=DAY_S))[0]["pid"]
        server.shutdown()
        return int(pid)

    serve()
    files, running = len(os.listdir("/proc/self/fd")), set(threading.enumerate())

    pid = serve()

    # The broker that the test itself looks through may have had to stand in line for the file only now.
    wait_until(lambda: not others_than(running) - {"asynq-file-lock"}, lambda: str(threading.enumerate()))
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= files, lambda: str(open_files()))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def others_than(running: set[threading.Thread]) -> set[str]:
    """Return the names of threads that were not there before."""
    return {thread.name for thread in set(threading.enumerate()) - running}


def open_files() -> list[str]:
    return [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]


def unsendable() -> asynq.ServeMux:
    mux = asynq.ServeMux()

    @mux.on("email")
    def deliver(ctx: asynq.Context, task: asynq.Task) -> None:
        """Stands in a function: no other process can import it."""

    return mux


def test_a_handler_that_cannot_be_sent_is_named_before_anything_starts() -> None:
    server = asynq.Server("memory://", asynq.Config(**PROCESSES))

    with pytest.raises(asynq.InvalidArgumentError) as caught:
        server.start(unsendable())

    assert str(caught.value) == (
        "the handler for 'email' cannot be sent to a worker process: tests.server.test_processes.unsendable.<locals>.deliver: no module "
        "has it as an attribute; define it at the top level of a module (what a function returns: under a name there, limited = limit(5)), "
        'or leave out "processes"'
    )
    server.start(handlers.MUX)
    server.shutdown()


def test_a_program_that_workers_cannot_import_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brittle.py").write_text("def handle(ctx, task): pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    import brittle  # type: ignore[import-not-found]

    (tmp_path / "brittle.py").write_text("import not_there_at_all_")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    server = asynq.Server("memory://", asynq.Config(**PROCESSES))

    with pytest.raises(
        asynq.WorkerProcessError, match=r"cannot import the program: ModuleNotFoundError: .*not_there_at_all_"
    ):
        server.start(brittle.handle)

    server.start(handlers.MUX)
    server.shutdown()
