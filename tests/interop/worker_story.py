"""What happens when one of three worker processes is killed and one sleeps beyond its lease?

Contract: `tell` runs the story once on one journal and returns what was seen; it needs a little more than a lease, 30 s. The three
workers hold tasks and work on a steady load of plain, async, unique and failing tasks when it happens; the third goes on alone until the
tasks of both are its own, then the second wakes up.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asynq_compat as asynq
from tests.interop.suspending import Suspender
from tests.interop.worker_program import SLOTS
from tests.services.installing import REPOSITORY
from tests.services.waiting import wait_until

KILLED, STOPPED, STEADY = "killed", "stopped", "steady"
# Whoever holds them all still has free slots; more are held only if some worker has none.
_HELD, _HELD_MAX = SLOTS - 4, 2 * SLOTS
_BATCH = 10
# A lease, twice: they come back when it ends.
_LEASE_PATIENCE_S = 60.0
_PATIENCE_S = 60.0
_KINDS = ("plain", "async", "fail", "plain", "async")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the workers' ledger."""

    id: str
    worker: str
    attempt: int
    event: str


@dataclass(slots=True, kw_only=True)
class Story:
    """What was seen."""

    tasks: dict[str, asynq.TaskInfo] = field(default_factory=dict)
    lines: Sequence[Line] = ()
    queue: asynq.QueueInfo | None = None
    held_by: dict[str, str] = field(default_factory=dict)
    duplicates_refused: int = 0
    locks_left: int = 0
    exit_codes: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)


class _Workers:
    """The three processes and what they note."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self._suspender = Suspender(url)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        environment = {key: value for key, value in os.environ.items() if key != "ASYNQ_COMPAT_BROKER"}
        for name in (KILLED, STOPPED, STEADY):
            command = [sys.executable, "-m", "tests.interop.worker_program", url, str(folder), name]
            with (folder / f"{name}.log").open("wb") as log:
                self._running[name] = subprocess.Popen(command, cwd=REPOSITORY, stderr=log, env=environment)

    def lines(self) -> list[Line]:
        """Return the ledger so far."""
        path = self.folder / "ledger.jsonl"
        if not path.exists():
            return []
        # A line that is being written may be seen in part (a write over a page's end is not seen at once): it counts when it ends.
        *whole, _being_written = path.read_text().split("\n")
        return [Line(**json.loads(line)) for line in whole]

    def send(self, name: str, number: int) -> None:
        """Send a signal to one of them."""
        self._running[name].send_signal(number)

    def suspend(self, name: str) -> None:
        """Stop one, though not in the middle of writing to a file."""
        self._suspender.suspend(self._running[name])

    def end(self) -> dict[str, int]:
        """Ask all to end; return their exit codes."""
        for process in self._running.values():
            process.terminate()
        return {name: process.wait(30) for name, process in self._running.items()}

    def close(self) -> None:
        """End them whatever happened."""
        self._suspender.close()
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def logs(self) -> dict[str, str]:
        """Return what each logged."""
        return {name: (self.folder / f"{name}.log").read_text() for name in self._running}


def tell(url: str, folder: Path) -> Story:
    """Run the story on the journal at `url`; `folder` takes ledger and logs."""
    story = Story()
    workers = _Workers(url, folder)
    try:
        with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
            _tell(story, workers, client, inspector)
    finally:
        workers.close()
        story.logs = workers.logs()
    return story


def _tell(story: Story, workers: _Workers, client: asynq.Client, inspector: asynq.Inspector) -> None:
    pause = threading.Event()
    _hold(story, workers, client)
    _await_start_marks(story, workers, client, inspector)
    for batch in range(60):
        _add(story, client, batch)
        if batch == 20:
            workers.send(KILLED, signal.SIGKILL)
            workers.suspend(STOPPED)
        pause.wait(0.05)  # The rate of the load: 200 tasks a second.
    taken_over = {task_id for task_id, worker in story.held_by.items() if worker != STEADY}
    _refuse_duplicates(story, client)
    wait_until(
        lambda: taken_over <= {line.id for line in workers.lines() if line.worker == STEADY and line.event == "end"},
        f"the steady worker takes over {len(taken_over)} tasks",
        _LEASE_PATIENCE_S,
    )
    seen_before = len(workers.lines())
    workers.send(STOPPED, signal.SIGCONT)
    (workers.folder / "release").touch()
    for batch in range(60, 200):
        _add(story, client, batch)
        if any(line.worker == STOPPED and line.event == "start" for line in workers.lines()[seen_before:]):
            break
        pause.wait(0.05)
    wait_until(
        lambda: not _unfinished(inspector), f"every task completed, unlike {_unfinished(inspector)}", _PATIENCE_S
    )
    story.exit_codes = workers.end()
    story.lines = workers.lines()
    story.tasks = {task_id: inspector.get_task_info("default", task_id) for task_id in story.tasks}
    story.queue = inspector.get_queue_info("default")
    for n in range(len(story.held_by)):
        try:
            client.enqueue(_held(n), process_in=3600)
        except asynq.DuplicateTaskError:
            story.locks_left += 1


def _unfinished(inspector: asynq.Inspector) -> int:
    info = inspector.get_queue_info("default")
    return info.size - info.completed


def _held(n: int) -> asynq.Task:
    return asynq.Task("hold", str(n).encode(), asynq.Unique(3600), asynq.Retention(3600))


def _hold(story: Story, workers: _Workers, client: asynq.Client) -> None:
    """Give the workers tasks that stay, each worker some."""
    batches = itertools.count(1000)
    wait_until(lambda: _is_heard_of_all(story, workers, client, next(batches)), "every worker takes tasks", _PATIENCE_S)
    while len(story.held_by) < _HELD or set(story.held_by.values()) != {KILLED, STOPPED, STEADY}:
        number = len(story.held_by)
        assert number < _HELD_MAX, story.held_by
        info = client.enqueue(_held(number))
        story.tasks[info.id] = info
        wait_until(partial(_note_holder, story, workers, info.id), "the held task has started", _PATIENCE_S)


def _is_heard_of_all(story: Story, workers: _Workers, client: asynq.Client, batch: int) -> bool:
    _add(story, client, batch)
    return {line.worker for line in workers.lines()} == {KILLED, STOPPED, STEADY}


def _note_holder(story: Story, workers: _Workers, task_id: str) -> bool:
    story.held_by.update({line.id: line.worker for line in workers.lines() if line.id == task_id})
    return task_id in story.held_by


def _await_start_marks(story: Story, workers: _Workers, client: asynq.Client, inspector: asynq.Inspector) -> None:
    """Wait until the journal knows that the held tasks have started: else they come back uncounted, as not started.

    A later task's settling says so, since a worker's frames tell up to where it has started.
    """
    batches = itertools.count(2000)

    def untold() -> set[str]:
        _add(story, client, next(batches))
        later: dict[str, list[str]] = {KILLED: [], STOPPED: []}
        for line in workers.lines():
            if line.id in story.held_by and line.worker in later:
                later[line.worker].clear()
            elif line.event == "start" and line.worker in later:
                later[line.worker].append(line.id)
        done = asynq.TaskState.COMPLETED
        return {
            name
            for name, ids in later.items()
            if not any(inspector.get_task_info("default", task_id).state is done for task_id in ids)
        }

    wait_until(lambda: not untold(), f"the journal knows what {KILLED} and {STOPPED} have started", _PATIENCE_S)


def _add(story: Story, client: asynq.Client, batch: int) -> None:
    """Enqueue a batch of all kinds, half of them unique."""
    tasks = [
        asynq.Task(
            _KINDS[n % len(_KINDS)],
            f"{batch}/{n}".encode(),
            asynq.Retention(3600),
            *([asynq.Unique(3600)] if n % 2 else []),
        )
        for n in range(_BATCH)
    ]
    for outcome in client.enqueue_many(tasks):
        assert isinstance(outcome, asynq.TaskInfo), outcome
        story.tasks[outcome.id] = outcome


def _refuse_duplicates(story: Story, client: asynq.Client) -> None:
    """Try to enqueue each held task again: whoever holds it, and however that process fares, it is taken."""
    for n in range(len(story.held_by)):
        try:
            client.enqueue(_held(n))
        except asynq.DuplicateTaskError:
            story.duplicates_refused += 1
