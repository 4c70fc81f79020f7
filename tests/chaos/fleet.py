"""Which processes produce and work, and how do they end and begin again?

Contract: a crew says what runs by role: "producer-1", "worker-3". Whoever ends is started again. One that ends by itself is a problem, unless it
ran a task that kills its process, or could not begin since its broker was away.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.chaos.crews import left_of, strike, worker_processes
from tests.chaos.ledger import lines
from tests.interop.suspending import Suspender
from tests.services.installing import REPOSITORY
from tests.services.waiting import wait_until

# Role -> the command that does its work; the URL and the path of its ledger are appended.
Crew = Mapping[str, Sequence[str | Path]]
_PRODUCER = (sys.executable, "-m", "tests.chaos.produce")
_WORKER = (sys.executable, "-m", "tests.chaos.work")
OF_JOURNALS: Crew = {
    **dict.fromkeys(("producer-1", "producer-2"), _PRODUCER),
    **dict.fromkeys(("worker-1", "worker-3"), (*_WORKER, "1")),
    "worker-2": (*_WORKER, "2"),  # Its handlers run in two processes.
}
_AT_WORK_WITHIN_S = 180.0
_ENDED_WITHIN_S = 120.0
# A broker that has just returned may be as good as away to who begins.
_OUTAGE_PASSES_S = 15.0


class Fleet:
    """The processes of one run.

    Attributes:
        counts: What befell them.
        problems: Whole sentences.
        sleeper: The role that is stopped; "" if none is.
    """

    def __init__(self, url: str, folder: Path, crew: Crew = OF_JOURNALS) -> None:
        self._url, self._folder, self._crew = url, folder, crew
        self._suspender: Suspender | None = None  # Its file is made by who opens the journal first.
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lives: Counter[str] = Counter()
        self._wakes_at_s = 0.0
        self._stopped: dict[int, float] = {}  # Worker processes, and when they go on.
        self._outage_passes_at_s = 0.0
        self._excused: set[str] = set()  # Lives that may end before they have come to anything.
        self.sleeper = ""
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []

    def start_all(self) -> None:
        """Start everybody and wait until each has something to note."""
        for role in self._crew:
            self._start(role)
        wait_until(lambda: all(map(self._has_noted, self._running)), "all at work", _AT_WORK_WITHIN_S)
        self._suspender = Suspender(self._url)

    def _start(self, role: str) -> None:
        self._lives[role] += 1
        environment = {key: value for key, value in os.environ.items() if key != "ASYNQ_COMPAT_BROKER"}
        with self.log(role).open("ab") as log:
            command = [*self._crew[role], self._url, self._folder / self._life(role)]
            self._running[role] = subprocess.Popen(command, cwd=REPOSITORY, stderr=log, env=environment)
        if time.monotonic() < self._outage_passes_at_s:
            self._excused.add(self._life(role))

    def _life(self, role: str) -> str:
        return f"{role}.{self._lives[role]}"

    def log(self, role: str) -> Path:
        """Return where a role's processes say what befalls them."""
        return self._folder / f"{role}.log"

    def _has_noted(self, role: str) -> bool:
        return any(path.stat().st_size for path in self._folder.glob(f"{self._life(role)}.*.jsonl"))

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [process.pid for process in self._running.values()]

    @property
    def lost_count(self) -> int:
        """How many workers ended or overslept without a word to the queue."""
        words = (
            *("worker killed", "worker slept beyond its lease", "worker killed by a task"),
            "worker ended because the broker was away",
        )
        return sum(self.counts[word] for word in words)

    @property
    def lost_process_count(self) -> int:
        """How many worker processes ended alone, at most."""
        words = ("worker process killed", "blow: deadly task", "blow: deadly task, at once")
        return sum(self.counts[word] for word in words)

    @property
    def all_awake(self) -> bool:
        """Nobody is stopped."""
        return not (self.sleeper or self._stopped)

    def awake(self, what: str) -> list[str]:
        """Return the roles of that kind that are not stopped."""
        return [role for role in sorted(self._running) if role.startswith(what) and role != self.sleeper]

    def kill(self, role: str) -> None:
        """Kill it and start another in its place; its worker processes go with it, whatever they do."""
        pid = self._running[role].pid
        workers = worker_processes(pid)
        self._running[role].kill()
        self._running[role].wait()
        self.counts[f"{role.partition('-')[0]} killed"] += 1
        self.counts["worker processes that went with their server"] += len(workers)
        if left := left_of(pid):
            self.problems.append(f"worker processes {left} of {role} are there although it was killed")
            strike(left, signal.SIGKILL)
        self._start(role)

    def awake_with_processes(self) -> list[str]:
        """Return the workers that run handlers in processes of their own and are not stopped."""
        return [role for role in self.awake("worker") if worker_processes(self._running[role].pid)]

    def worker_processes(self) -> list[int]:
        """Return those that are not stopped and whose server is at work: one that starts needs them all."""
        servers = [process.pid for role, process in self._running.items() if self._has_noted(role)]
        found = [pid for server in servers for pid in worker_processes(server)]
        return [pid for pid in found if pid not in self._stopped]

    def kill_worker_process(self, pid: int) -> None:
        """Kill it alone: its server goes on with another one."""
        strike([pid], signal.SIGKILL)
        self.counts["worker process killed"] += 1

    def stop_worker_process(self, pid: int, seconds: float) -> None:
        """Stop it alone for so long: its server keeps the leases of its tasks."""
        strike([pid], signal.SIGSTOP)
        self._stopped[pid] = time.monotonic() + seconds
        self.counts["worker process stopped beyond a lease"] += 1

    def put_to_sleep(self, role: str, seconds: float) -> None:
        """Stop it for so long."""
        assert self._suspender is not None
        self._suspender.suspend(self._running[role])
        self.sleeper, self._wakes_at_s = role, time.monotonic() + seconds
        self.counts["worker slept beyond its lease"] += 1

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """While the broker cannot be reached: who has not begun to work at its end may end for that reason, whenever it comes to that."""
        yield
        self._excused.update(self._life(role) for role in self._running if not self._has_noted(role))
        self._outage_passes_at_s = time.monotonic() + _OUTAGE_PASSES_S

    def look(self) -> None:
        """Wake who has slept enough; start who has ended."""
        if self.sleeper and time.monotonic() > self._wakes_at_s:
            self._running[self.sleeper].send_signal(signal.SIGCONT)
            self.sleeper = ""
        for pid in [pid for pid, until_s in self._stopped.items() if time.monotonic() > until_s]:
            strike([pid], signal.SIGCONT)
            del self._stopped[pid]
        for role, process in list(self._running.items()):
            if (status := process.poll()) is not None:
                self._note_end(role, status)
                self._start(role)

    def _note_end(self, role: str, status: int) -> None:
        if status == -signal.SIGKILL and any(line["event"] == "kills" for line in self._lines(role)):
            self.counts["worker killed by a task"] += 1
        elif status > 0 and self._life(role) in self._excused and not self._has_noted(role):
            self.counts[f"{role.partition('-')[0]} ended because the broker was away"] += 1
        else:
            self.problems.append(f"{role} ended by itself with {status}; see {self.log(role)}")

    def _lines(self, role: str) -> list[dict[str, str | int]]:
        return list(lines(self._folder, f"{self._life(role)}.*.jsonl"))

    def end_producers(self) -> None:
        """Kill them for good."""
        for role in roles("producer", self._crew):
            process = self._running.pop(role)
            process.kill()
            process.wait()

    def idlers(self, task_ids: set[str]) -> list[str]:
        """Return the workers that have begun none of these tasks."""
        begun = {role: {line.get("id") for line in self._lines(role)} for role in roles("worker", self._crew)}
        return [role for role, ids in begun.items() if ids.isdisjoint(task_ids)]

    def views(self) -> dict[str, str]:
        """Return what each worker says of the queue, by role."""
        for process in self._running.values():
            process.send_signal(signal.SIGUSR1)
        found: dict[str, str] = {}

        def have_all_told() -> bool:
            for role in self._running:
                told = [str(line["view"]) for line in self._lines(role) if line["event"] == "view"]
                found.update({role: told[-1]} if told else {})
            return len(found) == len(self._running)

        wait_until(have_all_told, "each worker has told its view", _AT_WORK_WITHIN_S)
        return found

    def end_workers(self) -> None:
        """End them as an operator would."""
        for process in self._running.values():
            process.terminate()
        for role, process in self._running.items():
            if status := process.wait(_ENDED_WITHIN_S):
                self.problems.append(f"{role} ended with {status}; see {self.log(role)}")
            if left := left_of(process.pid):
                self.problems.append(f"worker processes {left} of {role} are there although it has ended")

    def close(self) -> None:
        """End what still runs; worker processes go with their server."""
        if self._suspender is not None:
            self._suspender.close()
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def roles(what: str, crew: Crew = OF_JOURNALS) -> list[str]:
    """Return the roles of a kind."""
    return [role for role in crew if role.startswith(what)]
